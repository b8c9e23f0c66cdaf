//! What librdkafka's and brokers' error codes mean for a record.
//!
//! librdkafka retries what can be retried, for as long as `delivery_timeout` says; what it reports is
//! its last word. So nothing here asks for the same thing to be tried again at once.

use rdkafka_sys::rd_kafka_resp_err_t as E;
use rolog_plugin::prelude::*;

use crate::native::Code;

/// What an error means for the record that met it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// A later attempt may do better.
    Retry(Class),
    /// Nothing will be accepted until someone acts.
    Hold(Class),
    /// The producer is beyond repair.
    Fatal,
    /// The broker refuses this record or one that was sent together with it.
    Refused(Class),
    /// The record was given up before it was sent, for the sake of another attempt.
    Again,
}

impl Meaning {
    /// The meaning of a code.
    pub(crate) fn of(code: Code) -> Meaning {
        // One that librdkafka does not know comes from a newer broker.
        code.known().map_or(Meaning::Retry(Class::Other), of)
    }

    pub(crate) fn is_hold(self) -> bool {
        matches!(self, Meaning::Hold(_))
    }

    /// Whether the code says that a connection failed, and not why.
    pub(crate) fn is_vague(self) -> bool {
        self == Meaning::Retry(Class::Connection)
    }
}

fn of(code: E) -> Meaning {
    match code {
        E::RD_KAFKA_RESP_ERR__PURGE_QUEUE => Meaning::Again,
        E::RD_KAFKA_RESP_ERR__PURGE_INFLIGHT => Meaning::Retry(Class::Cancelled),

        E::RD_KAFKA_RESP_ERR__FATAL
        | E::RD_KAFKA_RESP_ERR__FENCED
        | E::RD_KAFKA_RESP_ERR__GAPLESS_GUARANTEE
        | E::RD_KAFKA_RESP_ERR__INCONSISTENT
        | E::RD_KAFKA_RESP_ERR__STATE
        | E::RD_KAFKA_RESP_ERR__DESTROY
        | E::RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE
        | E::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER
        | E::RD_KAFKA_RESP_ERR_DUPLICATE_SEQUENCE_NUMBER
        | E::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH
        | E::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING
        | E::RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID
        | E::RD_KAFKA_RESP_ERR_PRODUCER_FENCED => Meaning::Fatal,

        E::RD_KAFKA_RESP_ERR__AUTHENTICATION
        | E::RD_KAFKA_RESP_ERR__SSL
        | E::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED
        | E::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED
        | E::RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED
        | E::RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED
        | E::RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM
        | E::RD_KAFKA_RESP_ERR_ILLEGAL_SASL_STATE
        | E::RD_KAFKA_RESP_ERR_SECURITY_DISABLED => Meaning::Hold(Class::Auth),

        E::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC
        | E::RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION
        | E::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
        | E::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_ID => Meaning::Hold(Class::NotFound),

        E::RD_KAFKA_RESP_ERR_POLICY_VIOLATION
        | E::RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION
        | E::RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT
        | E::RD_KAFKA_RESP_ERR_UNSUPPORTED_COMPRESSION_TYPE
        | E::RD_KAFKA_RESP_ERR_INVALID_REQUIRED_ACKS
        | E::RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE => Meaning::Hold(Class::Invalid),

        E::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE | E::RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE => {
            Meaning::Refused(Class::TooLarge)
        }
        E::RD_KAFKA_RESP_ERR_INVALID_RECORD
        | E::RD_KAFKA_RESP_ERR__INVALID_DIFFERENT_RECORD
        | E::RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP
        | E::RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION
        | E::RD_KAFKA_RESP_ERR__INVALID_ARG => Meaning::Refused(Class::Invalid),

        E::RD_KAFKA_RESP_ERR__MSG_TIMED_OUT
        | E::RD_KAFKA_RESP_ERR__TIMED_OUT
        | E::RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE
        | E::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT => Meaning::Retry(Class::Timeout),

        E::RD_KAFKA_RESP_ERR__TRANSPORT
        | E::RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN
        | E::RD_KAFKA_RESP_ERR__RESOLVE
        | E::RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION => Meaning::Retry(Class::Connection),

        E::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE
        | E::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION
        | E::RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE
        | E::RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE
        | E::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS
        | E::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND
        | E::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS
        | E::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE
        | E::RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR
        | E::RD_KAFKA_RESP_ERR__QUEUE_FULL => Meaning::Retry(Class::Unavailable),

        E::RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED => Meaning::Retry(Class::Throttled),
        E::RD_KAFKA_RESP_ERR_INVALID_MSG => Meaning::Retry(Class::Io),
        _ => Meaning::Retry(Class::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_trouble_has_its_answer() {
        for (code, meaning) in [
            (
                E::RD_KAFKA_RESP_ERR__MSG_TIMED_OUT,
                Meaning::Retry(Class::Timeout),
            ),
            (
                E::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
                Meaning::Hold(Class::NotFound),
            ),
            (
                E::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
                Meaning::Hold(Class::Auth),
            ),
            (
                E::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
                Meaning::Refused(Class::TooLarge),
            ),
            (
                E::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
                Meaning::Retry(Class::Unavailable),
            ),
            (E::RD_KAFKA_RESP_ERR__FENCED, Meaning::Fatal),
        ] {
            assert_eq!(Meaning::of(Code::of(code)), meaning, "{code:?}");
        }
        assert_eq!(Meaning::of(Code(4711)), Meaning::Retry(Class::Other));
    }
}
