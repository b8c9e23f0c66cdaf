//! Whether settings can work, before anything is done with them.

use std::path::{Path, PathBuf};

use rolog_plugin::prelude::*;

use crate::config::{Compress, Config, Keep, renderer};
use crate::disk;
use crate::path::{Template, folder_resources, resources};
use crate::rotate::is_rotated_name;

/// Enough lines of the usual length for several pieces.
const PREFERRED_BATCH: usize = 5000;
/// More than any process may open, and a bound on what is kept of them.
const MOST_OPEN: usize = 100_000;

/// Where the files of a target are.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// There is one.
    One(PathBuf),
    /// They are below the base of a template.
    Below(Template),
}

impl Place {
    pub(crate) fn of(config: &Config, setup: &Setup) -> Result<Place, String> {
        let template = match config.path.to_str() {
            Some(path) => Template::read(path)?,
            None => Err(config.path.clone()),
        };
        Ok(match template {
            Ok(template) => {
                let base = setup.resolve(template.base());
                Place::Below(template.below(base))
            }
            Err(path) => Place::One(setup.resolve(path)),
        })
    }

    /// The file, or the base of all files.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Place::One(path) => path,
            Place::Below(template) => template.base(),
        }
    }
}

/// Says what will follow from settings, or what is wrong with them.
pub(crate) fn check(config: &Config, setup: &Setup) -> Result<Plan, ConfigError> {
    let ends = config.path.as_os_str().as_encoded_bytes();
    if ends.is_empty() || ends.ends_with(b"/") {
        return Err(
            ConfigError::at("path", format!("`{}` names no file", config.path.display()))
                .expected("the path of a file, such as logs/app.jsonl"),
        );
    }
    let place = Place::of(config, setup).map_err(|problem| ConfigError::at("path", problem))?;
    fits(&place)?;
    renderer(config)?;
    of_rotation(config)?;
    of_open_files(config, &place)?;
    let names = match &place {
        Place::One(path) => resources(path),
        Place::Below(template) => folder_resources(template.base()),
    };
    let names = names.map_err(|error| {
        ConfigError::at(
            "path",
            format!("cannot follow `{}`: {error}", place.path().display()),
        )
    })?;
    let plan = Plan::new().preferred_batch(PREFERRED_BATCH);
    Ok(names.into_iter().fold(plan, Plan::resource))
}

fn fits(place: &Place) -> Result<(), ConfigError> {
    let path = place.path();
    let wrong = |what: String, right: &str| Err(ConfigError::at("path", what).expected(right));
    if let Place::Below(_) = place {
        if path.exists() && !path.is_dir() {
            let what = format!("`{}` is no directory", path.display());
            return wrong(what, "a directory in front of the first hole");
        }
        return Ok(());
    }
    if let Some(what) = disk::unfit(path) {
        let what = format!("`{}` is {what}", path.display());
        return wrong(
            what,
            "the path of a file (`plugin: console` has the streams)",
        );
    }
    let name = path.file_name().unwrap_or_default();
    if is_rotated_name(name.as_encoded_bytes()) {
        let what = format!("`{}` is the name of a rotated file", path.display());
        return wrong(what, "a name without a moment in it");
    }
    Ok(())
}

fn of_open_files(config: &Config, place: &Place) -> Result<(), ConfigError> {
    let wrong = |what: String, right: &str| Err(ConfigError::at("max_open", what).expected(right));
    match (config.max_open, place) {
        (None, _) => Ok(()),
        (Some(_), Place::One(_)) => wrong(
            "one file is all that is open, since `path` has no hole".into(),
            "a template in `path`, such as logs/{logger}.jsonl, or no `max_open`",
        ),
        (Some(most), Place::Below(_)) if (1..=MOST_OPEN).contains(&most) => Ok(()),
        (Some(most), Place::Below(_)) => wrong(format!("{most} is out of bounds"), "1 to 100000"),
    }
}

fn of_rotation(config: &Config) -> Result<(), ConfigError> {
    let Some(rotate) = &config.rotate else {
        let needless = [
            ("keep", config.keep != Keep::default()),
            ("compress", config.compress != Compress::Off),
        ];
        return match needless.iter().find(|(_, set)| *set) {
            None => Ok(()),
            Some((setting, _)) => Err(ConfigError::at(
                *setting,
                "without `rotate` there are no rotated files",
            )
            .expected("a `rotate` beside it")),
        };
    };
    if rotate.size.is_none() && rotate.every.is_none() {
        return Err(ConfigError::at("rotate", "it says nothing of when")
            .expected("a `size`, or `every`, or both"));
    }
    Ok(())
}
