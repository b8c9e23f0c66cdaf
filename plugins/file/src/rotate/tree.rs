//! All rotated files below a base directory.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::name::{Family, original};
use super::told::Troubles;
use crate::path::Template;

/// The families of which there are rotated files, and whose file is one that the template leads to.
/// Links to directories are not followed. A folder that cannot be read is passed by, and so is one that
/// no record leads into.
pub(super) fn families(template: &Template, troubles: &mut Troubles) -> BTreeSet<Family> {
    let mut walk = Walk {
        template,
        troubles,
        parts: Vec::new(),
        families: BTreeSet::new(),
    };
    walk.folder(template.base());
    walk.families
}

struct Walk<'a> {
    template: &'a Template,
    troubles: &'a mut Troubles,
    /// Those of the folder that is looked at.
    parts: Vec<String>,
    families: BTreeSet<Family>,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path) {
        match self.entries(folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                let path = folder.display().to_string();
                self.troubles
                    .met("look for rotated files in", folder, &path, &error);
            }
            _ => {}
        }
    }

    fn entries(&mut self, folder: &Path) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            // What the template leads to is text.
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let kind = match entry.file_type() {
                // Packed or let go of meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                kind => kind?,
            };
            if kind.is_dir() {
                self.parts.push(name);
                if self.template.leads_through(&self.parts) {
                    self.folder(&entry.path());
                }
                self.parts.pop();
            } else if kind.is_file()
                && let Some(name) = original(&name)
                && self.leads_to(&name)
            {
                self.families.insert(Family::of(&folder.join(name)));
            }
        }
        Ok(())
    }

    fn leads_to(&self, name: &str) -> bool {
        let parts = self.parts.iter().map(String::as_str);
        self.template.matches(parts.chain([name]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_that_records_lead_into_are_looked_into() {
        let template = Template::read("logs/{logger}/{date:%Y/%m}.log").unwrap();
        let template = template.unwrap();
        let through = |parts: &[&str]| {
            let parts: Vec<_> = parts.iter().copied().map(str::to_owned).collect();
            template.leads_through(&parts)
        };
        assert!(through(&["shop"]) && through(&["shop", "2026"]));
        for parts in [
            &["lost+found"][..],
            &[".hidden"],
            &["shop", "old"],
            &["shop", "2026", "11.log"],
        ] {
            assert!(!through(parts), "{parts:?}");
        }
    }

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
        let mut troubles = Troubles::default();
        let found: Vec<_> = families(&template, &mut troubles).into_iter().collect();
        let expected = ["shop/info.log", "web/error.log"];
        assert_eq!(
            found,
            expected.map(|path| Family::of(&folder.path().join(path)))
        );
    }
}
