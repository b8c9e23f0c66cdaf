//! All rotated files below a base directory.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::name::{Family, original};
use crate::path::Template;

/// The families of which there are rotated files, and whose file is one that the template leads to.
/// Links to directories are not followed.
pub(super) fn families(template: &Template) -> io::Result<BTreeSet<Family>> {
    let mut families = BTreeSet::new();
    let mut parts = Vec::new();
    walk(template.base(), template, &mut parts, &mut families)?;
    Ok(families)
}

fn walk(
    folder: &Path,
    template: &Template,
    parts: &mut Vec<String>,
    families: &mut BTreeSet<Family>,
) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        // What the template leads to is text.
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let kind = entry.file_type()?;
        if kind.is_dir() && parts.len() + 1 < template.depth() {
            parts.push(name);
            walk(&entry.path(), template, parts, families)?;
            parts.pop();
        } else if kind.is_file()
            && let Some(name) = original(&name)
            && template.matches(parts.iter().map(String::as_str).chain([&*name]))
        {
            families.insert(Family::of(&folder.join(name)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_families_that_the_template_leads_to_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let template = Template::read("logs/{logger}/{level}.log")
            .unwrap()
            .unwrap();
        let template = template.below(folder.path().to_path_buf());
        let moment = "20261122T140000.123456Z";
        for (path, _) in [
            (format!("shop/info.{moment}.log"), true),
            (format!("shop/info.{moment}.log.gz"), true),
            (format!("web/error.{moment}.log.zst.part"), true),
            (format!("info.{moment}.log"), false),
            (format!("shop/deep/info.{moment}.log"), false),
            (format!("shop/info.{moment}.txt"), false),
            ("shop/info.log".to_owned(), false),
        ] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let found: Vec<_> = families(&template).unwrap().into_iter().collect();
        let expected = ["shop/info.log", "web/error.log"];
        assert_eq!(
            found,
            expected.map(|path| Family::of(&folder.path().join(path)))
        );
    }
}
