//! What a host keeps to itself.

use std::fs;

use super::Host;

#[test]
fn what_was_secret_stays_masked_for_instances_of_any_earlier_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("format"), "text").unwrap();
    let text = "version: 1
targets:
  a: { plugin: console, config: { format: '${file:format}' } }
routes:
  - { logger: app, to: a }
";
    fs::write(at("pipeline.yaml"), text).unwrap();
    let host = Host::builder().file(at("pipeline.yaml")).watch(false);
    let host = host.start().unwrap();
    fs::write(at("format"), "json").unwrap();
    host.reload_blocking().unwrap();
    fs::write(at("pipeline.yaml"), text.replace("app", "shop")).unwrap();
    assert_eq!(host.reload_blocking().unwrap().number, 3);
    let masked = host.pipeline.secrets().mask("text and json").into_owned();
    assert_eq!(masked, "*** and ***");
}
