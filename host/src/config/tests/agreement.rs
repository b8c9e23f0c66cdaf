//! The two parsers read the same file: what one says stands at the place that the other names.

use proptest::prelude::*;
use serde_json::Value;

use super::super::tree::{Item, ItemKind};
use super::*;

fn tree_of(text: &str) -> Item {
    let (env, mut problems) = (Env::empty(), Vec::new());
    let mut resolver = Resolver::new(&env, Path::new("/"));
    let tree = tree::parse(text, &"p.yaml".into(), &mut resolver, &mut problems);
    assert_eq!(problems, [], "{text}");
    tree.expect("a tree comes without problems")
}

/// What stands at a place.
fn at(text: &str, place: Place) -> &str {
    let line = text.lines().nth(place.line - 1).unwrap_or_default();
    let start = line.char_indices().nth(place.column - 1);
    start.map_or("", |(start, _)| &line[start..])
}

/// Whether a scalar is written here, in quotes or plainly. A block begins at its first line.
fn is_written(text: &str, place: Place, scalar: &str) -> bool {
    let found = at(text, place);
    let first = scalar.lines().next().unwrap_or_default();
    found.starts_with(['\'', '"']) || found.starts_with(first)
}

fn check_places(text: &str, item: &Item) {
    match &item.kind {
        ItemKind::List(items) => items.iter().for_each(|item| check_places(text, item)),
        ItemKind::Map(entries) => {
            for entry in entries {
                assert!(
                    is_written(text, entry.place, &entry.key),
                    "{} in\n{text}",
                    entry.key
                );
                check_places(text, &entry.item);
            }
        }
        ItemKind::Text(scalar) => {
            assert!(
                is_written(text, item.place, scalar),
                "{scalar:?} in\n{text}"
            );
        }
        ItemKind::Bool(scalar) => assert!(is_written(text, item.place, &scalar.to_string())),
        ItemKind::Number(_) => {
            assert!(at(text, item.place).starts_with(|c: char| { c.is_ascii_digit() || c == '-' }));
        }
        ItemKind::Null { word } => assert_eq!(at(text, item.place).starts_with("null"), *word),
        ItemKind::Broken => panic!("broken in\n{text}"),
    }
}

fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,8}",
        "[ -~]{0,12}",
        "[a-zäöü☃\\n\\t'\"#:{}\\[\\],&*!|>%@`-]{0,12}",
        prop::sample::select(vec![
            "true", "null", "~", "0x1", "1e3", "off", "<", "- a", "a: b", " x "
        ])
        .prop_map(str::to_owned),
    ]
    // Substitution has tests of its own.
    .prop_map(|text| text.replace("${", "$ {"))
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e6..1e6).prop_map(Value::from),
        scalar().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(scalar(), inner, 0..5)
                .prop_map(|map| map.into_iter().collect::<Value>()),
        ]
    })
}

proptest! {
    #[test]
    fn values_come_back_and_stand_where_they_are_said_to(value in value()) {
        let block = serde_yaml::to_string(&value).unwrap();
        let item = tree_of(&block);
        prop_assert_eq!(&item.to_json(), &value, "{}", block);
        check_places(&block, &item);
        // JSON is YAML too, in one line and with braces.
        let flow = value.to_string();
        if !flow.contains('\\') {
            let item = tree_of(&flow);
            prop_assert_eq!(&item.to_json(), &value, "{}", flow);
            check_places(&flow, &item);
        }
    }
}
