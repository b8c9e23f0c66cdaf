//! A service that logs through rolog: `cargo run --release` in this folder.

use std::time::Duration;

use rolog_core::{TypedLogger, exception, info};
use rolog_host::Host;

struct Orders {
    log: TypedLogger<Orders>,
}

impl Orders {
    fn accept(&self, id: u64, quantity: &str) {
        let log = &self.log;
        match quantity.parse::<u32>() {
            Ok(n) => info!(log, "order {id} accepted", id = id, quantity = n),
            Err(error) => exception!(
                log,
                error,
                "what is {quantity}?",
                order = id,
                quantity = quantity
            ),
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let host = Host::start("pipeline.yaml")?;
    let orders = Orders {
        log: host.factory().typed(),
    };
    orders.accept(42, "3");
    orders.accept(43, "three");

    // Delivers what is queued, and says what became of every record.
    let report = host.dispose_blocking(Duration::from_secs(10));
    println!("{report}");
    Ok(())
}
