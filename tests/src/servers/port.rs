//! Ports that no other test has.

use std::fs::{File, OpenOptions};
use std::net::TcpStream;
use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

/// Below the range from which the kernel gives ports to clients (32768 and up on Linux), so that a
/// port that is free for a moment, while its server is down, does not become a client's.
const RANGE: Range<u16> = 20_000..32_000;

/// A loopback port, held against the other tests of this machine as long as the value lives.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _lock: File,
}

impl Port {
    /// One on which nobody listens.
    ///
    /// # Panics
    /// When there is none left.
    pub fn free() -> Port {
        let span = u64::from(RANGE.end - RANGE.start);
        let seed = u64::from(std::process::id()) * 7919
            + SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |now| u64::from(now.subsec_nanos()));
        (0..span)
            .map(|step| RANGE.start + ((seed + step * 17) % span) as u16)
            .find_map(Port::hold)
            .expect("not every port is taken")
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }

    fn hold(number: u16) -> Option<Port> {
        // Empty files, which stay: one that is deleted could be held twice.
        let folder = std::env::temp_dir().join("rolog-test-ports");
        std::fs::create_dir_all(&folder).ok()?;
        let path = folder.join(number.to_string());
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .ok()?;
        lock.try_lock().ok()?;
        // Not by listening: a process that is being started would hold the listener for a moment.
        let taken = TcpStream::connect(("127.0.0.1", number)).is_ok();
        (!taken).then_some(Port {
            number,
            _lock: lock,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_port_is_held_once_and_never_one_that_is_listened_on() {
        let port = Port::free();
        assert!(RANGE.contains(&port.number()));
        assert!(Port::hold(port.number()).is_none());
        let number = port.number();
        let listener = TcpListener::bind(("127.0.0.1", number)).unwrap();
        drop(port);
        assert!(Port::hold(number).is_none());
        drop(listener);
    }
}
