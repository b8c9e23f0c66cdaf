//! Dependency injection, with the container shaku: a class that asks for a logger gets the one that is
//! named after it. `cargo run --bin injection`.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use rolog_core::{LoggerFactory, TypedLogger, info};
use rolog_host::Host;
use rolog_host::config::{PipelineSpec, Route, Target};
use shaku::{Component, HasComponent, Interface, Module, ModuleBuildContext, module};

/// The pipeline's factory, as the container holds it.
trait Loggers: Interface {
    fn factory(&self) -> &LoggerFactory;
}

#[derive(Component)]
#[shaku(interface = Loggers)]
struct FromHost {
    factory: LoggerFactory,
}

impl Loggers for FromHost {
    fn factory(&self) -> &LoggerFactory {
        &self.factory
    }
}

/// The logger of `T`, as the container builds it.
struct Log<T: 'static>(TypedLogger<T>);

impl<T> Deref for Log<T> {
    type Target = TypedLogger<T>;

    fn deref(&self) -> &TypedLogger<T> {
        &self.0
    }
}

impl<T: 'static, M: Module + HasComponent<dyn Loggers>> Component<M> for Log<T> {
    type Interface = Log<T>;
    type Parameters = ();

    fn build(context: &mut ModuleBuildContext<M>, (): ()) -> Box<Log<T>> {
        let loggers: Arc<dyn Loggers> = M::build_component(context);
        Box::new(Log(TypedLogger::new(loggers.factory())))
    }
}

trait Orders: Interface {
    fn accept(&self, id: u64);
}

#[derive(Component)]
#[shaku(interface = Orders)]
struct OrderService {
    #[shaku(inject)]
    log: Arc<Log<OrderService>>,
}

impl Orders for OrderService {
    fn accept(&self, id: u64) {
        info!(self.log, "order {id} accepted", id = id);
    }
}

module! {
    Shop {
        components = [FromHost, Log<OrderService>, OrderService],
        providers = []
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pipeline = PipelineSpec::builder()
        .target("kept", Target::of("memory"))
        .route(Route::from("**").to(["kept"]))
        .build()?;
    let host = Host::builder().pipeline(pipeline).start()?;
    let factory = host.factory().clone();
    let shop = Shop::builder()
        .with_component_parameters::<FromHost>(FromHostParameters { factory })
        .build();

    let orders: &dyn Orders = shop.resolve_ref();
    orders.accept(42);

    assert_eq!(host.flush_blocking(Duration::from_secs(10)), 0);
    let records = host.memory("kept").expect("the pipeline has it").records();
    println!("{}: {}", records[0].logger, records[0].message);
    assert!(records[0].logger.ends_with("::OrderService"));
    assert_eq!(records[0].message, "order 42 accepted");
    Ok(())
}
