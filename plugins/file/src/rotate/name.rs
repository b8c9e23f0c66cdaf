//! What rotated files are called, and which files are.
//!
//! `app.jsonl` becomes `app.20261122T140000.123456Z.jsonl`, named after the moment of its rotation in
//! UTC, and then `….jsonl.gz` or `….jsonl.zst`; `….gz.part` is a compression that is not finished. A
//! name is taken for one of these only when it has this exact form, with a moment that there is, and
//! belongs to a regular file of our own user, or of the one that files are given to; what else lies in the folder is never touched.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use crate::config::Compress;

/// When a file was rotated, in microseconds: behind all that were rotated before it, whatever the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp(i64);

/// `20261122T140000.123456Z`
const STAMP: usize = 23;

impl Stamp {
    pub(crate) fn now() -> Self {
        Stamp(Timestamp::now().as_microsecond())
    }

    /// This moment, or the one behind `earlier` where the clock was set back.
    pub(crate) fn behind(self, earlier: Option<Stamp>) -> Self {
        Stamp(earlier.map_or(self.0, |earlier| self.0.max(earlier.0 + 1)))
    }

    /// This moment, less so many microseconds.
    #[cfg(test)]
    pub(crate) fn earlier(self, micros: i64) -> Self {
        Stamp(self.0 - micros)
    }

    pub(crate) fn micros(self) -> i64 {
        self.0
    }

    fn read(text: &[u8]) -> Option<Stamp> {
        let text: &[u8; STAMP] = text.try_into().ok()?;
        let digits = |from: usize, to: usize| {
            text[from..to].iter().try_fold(0_i32, |number, byte| {
                byte.is_ascii_digit()
                    .then(|| number * 10 + i32::from(byte - b'0'))
            })
        };
        if text[8] != b'T' || text[15] != b'.' || text[22] != b'Z' {
            return None;
        }
        let small = |from, to| digits(from, to).and_then(|number| i8::try_from(number).ok());
        let time = DateTime::new(
            i16::try_from(digits(0, 4)?).ok()?,
            small(4, 6)?,
            small(6, 8)?,
            small(9, 11)?,
            small(11, 13)?,
            small(13, 15)?,
            digits(16, 22)? * 1000,
        )
        .ok()?;
        let time = Offset::UTC.to_timestamp(time).ok()?;
        Some(Stamp(time.as_microsecond()))
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = Timestamp::from_microsecond(self.0).unwrap_or(Timestamp::UNIX_EPOCH);
        let time = Offset::UTC.to_datetime(time);
        write!(
            f,
            "{:04}{:02}{:02}T{:02}{:02}{:02}.{:06}Z",
            time.year(),
            time.month(),
            time.day(),
            time.hour(),
            time.minute(),
            time.second(),
            time.subsec_nanosecond() / 1000
        )
    }
}

/// A file and all that it was rotated into, in one folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Family {
    folder: PathBuf,
    stem: Vec<u8>,
    /// With its dot; empty where there is none.
    extension: Vec<u8>,
}

/// Whose files can be members: those of our own user, and of the one that files are given to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ours(Option<u32>);

/// A file of a family that was rotated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) stamp: Stamp,
    pub(crate) form: Form,
    pub(crate) path: PathBuf,
    pub(crate) len: u64,
    /// When it was last written to, in microseconds.
    pub(crate) modified: i64,
}

/// In which form a rotated file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Form {
    Plain,
    Packed(Compress),
    /// The beginning of a packed one.
    Unfinished(Compress),
}

impl Ours {
    /// Where files that are made are given to this user.
    pub(crate) fn given_to(user: Option<u32>) -> Self {
        Ours(user)
    }

    /// Whether this is a regular file of ours.
    pub(super) fn has(self, data: &Metadata) -> bool {
        let own = rustix::process::geteuid().as_raw();
        data.is_file() && (data.uid() == own || Some(data.uid()) == self.0)
    }
}

impl Family {
    /// That of the file at `path`, which has a name.
    pub(crate) fn of(path: &Path) -> Family {
        let (stem, extension) = divided(path);
        Family {
            folder: path.parent().unwrap_or(Path::new("")).to_path_buf(),
            stem: stem.to_vec(),
            extension: extension.to_vec(),
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What its file is called once it is rotated.
    pub(crate) fn rotated(&self, stamp: Stamp) -> PathBuf {
        let mut name = self.stem.clone();
        name.extend_from_slice(format!(".{stamp}").as_bytes());
        name.extend_from_slice(&self.extension);
        self.folder.join(OsString::from_vec(name))
    }

    /// The rotated files that there are, the oldest first.
    pub(crate) fn members(&self, ours: Ours) -> io::Result<Vec<Member>> {
        let mut members = Vec::new();
        for entry in entries(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some((stamp, form)) = self.read(name.as_bytes()) else {
                continue;
            };
            match entry.metadata() {
                Ok(data) if ours.has(&data) => members.push(Member {
                    stamp,
                    form,
                    path: entry.path(),
                    len: data.len(),
                    modified: data.mtime() * 1_000_000 + data.mtime_nsec() / 1000,
                }),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        members.sort_by_key(|member| (member.stamp, member.form));
        Ok(members)
    }

    fn read(&self, name: &[u8]) -> Option<(Stamp, Form)> {
        let rest = name.strip_prefix(&*self.stem)?.strip_prefix(b".")?;
        let (stamp, rest) = rest.split_at_checked(STAMP)?;
        let form = Form::read(rest.strip_prefix(&*self.extension)?)?;
        Some((Stamp::read(stamp)?, form))
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = [&*self.stem, &*self.extension].concat();
        let path = self.folder.join(OsString::from_vec(name));
        path.display().fmt(f)
    }
}

impl Form {
    fn read(suffix: &[u8]) -> Option<Form> {
        [
            Form::Plain,
            Form::Packed(Compress::Gzip),
            Form::Packed(Compress::Zstd),
            Form::Unfinished(Compress::Gzip),
            Form::Unfinished(Compress::Zstd),
        ]
        .into_iter()
        .find(|form| form.suffix().as_bytes() == suffix)
    }

    /// What stands behind the name of the plain file.
    fn suffix(self) -> &'static str {
        match self {
            Form::Plain | Form::Packed(Compress::Off) | Form::Unfinished(Compress::Off) => "",
            Form::Packed(Compress::Gzip) => ".gz",
            Form::Packed(Compress::Zstd) => ".zst",
            Form::Unfinished(Compress::Gzip) => ".gz.part",
            Form::Unfinished(Compress::Zstd) => ".zst.part",
        }
    }
}

impl Member {
    /// When it was rotated, in microseconds, as far as that can be told: a stamp that lies in the
    /// future is of a clock that was ahead, or behind such a stamp, and says nothing.
    pub(crate) fn moment(&self, now: Stamp) -> i64 {
        if self.stamp > now {
            self.modified
        } else {
            self.stamp.0
        }
    }

    /// Its path in another form.
    pub(crate) fn as_form(&self, form: Form) -> PathBuf {
        let mut name = self.path.as_os_str().as_bytes().to_vec();
        name.truncate(name.len() - self.form.suffix().len());
        name.extend_from_slice(form.suffix().as_bytes());
        PathBuf::from(OsString::from_vec(name))
    }
}

/// What a rotated file was called before, whatever that was.
pub(super) fn original(name: &str) -> Option<String> {
    let starts = name.char_indices().filter(|(_, c)| *c == '.');
    for (dot, _) in starts {
        let (stem, rest) = (&name[..dot], &name[dot + 1..]);
        // Too short, or divided within a character: no moment stands here, and one may further on.
        let Some((stamp, rest)) = rest.split_at_checked(STAMP) else {
            continue;
        };
        if Stamp::read(stamp.as_bytes()).is_some() {
            let forms = [".gz.part", ".zst.part", ".gz", ".zst"];
            let bare = forms.iter().find_map(|form| rest.strip_suffix(form));
            return Some(format!("{stem}{}", bare.unwrap_or(rest)));
        }
    }
    None
}

/// Whether the file at `path` is called what a rotated file is called, whatever it is rotated from.
pub(crate) fn is_rotated_name(name: &[u8]) -> bool {
    name.windows(STAMP + 1)
        .any(|part| part[0] == b'.' && Stamp::read(&part[1..]).is_some())
}

/// A file name in front of its last dot, and from that on. A dot at its beginning hides a file, and
/// divides nothing.
fn divided(path: &Path) -> (&[u8], &[u8]) {
    let name = path.file_name().map_or(&[][..], OsStrExt::as_bytes);
    let dot = name.iter().rposition(|byte| *byte == b'.');
    name.split_at(dot.filter(|at| *at > 0).unwrap_or(name.len()))
}

fn entries(folder: &Path) -> io::Result<impl Iterator<Item = io::Result<fs::DirEntry>>> {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    match fs::read_dir(folder) {
        Ok(entries) => Ok(Some(entries).into_iter().flatten()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None.into_iter().flatten()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_rotated_name_is_read_back_and_others_are_not() {
        let family = Family::of(Path::new("logs/app.jsonl"));
        let stamp = Stamp(1_795_356_000_123_456);
        assert_eq!(stamp.to_string(), "20261122T140000.123456Z");
        let path = family.rotated(stamp);
        assert_eq!(path, Path::new("logs/app.20261122T140000.123456Z.jsonl"));
        let read = |name: &str| family.read(name.as_bytes());
        assert_eq!(
            read("app.20261122T140000.123456Z.jsonl"),
            Some((stamp, Form::Plain))
        );
        assert_eq!(
            read("app.20261122T140000.123456Z.jsonl.gz"),
            Some((stamp, Form::Packed(Compress::Gzip)))
        );
        assert_eq!(
            read("app.20261122T140000.123456Z.jsonl.zst.part"),
            Some((stamp, Form::Unfinished(Compress::Zstd)))
        );
        for foreign in [
            "app.jsonl",
            "app.1.jsonl",
            "app.jsonl.1",
            "app.jsonl.gz",
            "app.2026-11-22.jsonl",
            "app.20261122T140000.123456Z.jsonl.bak",
            "app.20261122T140000.123456Z.jsonl.part",
            "app.20261122T140000.123456Z.jsonl.gz.gz",
            "app.20261322T140000.123456Z.jsonl",
            "app.20261122T250000.123456Z.jsonl",
            "app.20261122t140000.123456z.jsonl",
            "app.web.20261122T140000.123456Z.jsonl",
            "app20261122T140000.123456Z.jsonl",
            "other.20261122T140000.123456Z.jsonl",
            "app.20261122T140000.123456Z",
            "app.20261122T140000.1234567Z.jsonl",
        ] {
            assert_eq!(read(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn names_without_an_extension_or_with_a_leading_dot_have_families_too() {
        for (name, rotated) in [
            ("app", "app.19700101T000000.000000Z"),
            (".app", ".app.19700101T000000.000000Z"),
            ("a.b.log", "a.b.19700101T000000.000000Z.log"),
            ("app.", "app.19700101T000000.000000Z."),
        ] {
            let family = Family::of(Path::new(name));
            assert_eq!(family.rotated(Stamp(0)), Path::new(rotated));
            assert_eq!(
                family.read(rotated.as_bytes()),
                Some((Stamp(0), Form::Plain))
            );
        }
    }

    #[test]
    fn a_member_knows_its_other_forms() {
        let family = Family::of(Path::new("app.log"));
        let member = Member {
            stamp: Stamp(0),
            form: Form::Unfinished(Compress::Gzip),
            path: "app.19700101T000000.000000Z.log.gz.part".into(),
            len: 0,
            modified: 0,
        };
        let plain = member.as_form(Form::Plain);
        assert_eq!(plain, family.rotated(Stamp(0)));
        let packed = member.as_form(Form::Packed(Compress::Zstd));
        assert_eq!(packed.extension().unwrap(), "zst");
    }

    #[test]
    fn a_name_of_any_script_is_found_again_behind_what_it_was_rotated_into() {
        for name in ["shop.производительность", "a.ü.日本語のロガーの名前", "app"]
        {
            for ending in ["", ".zst", ".gz.part"] {
                let rotated = format!("{name}.20261122T140000.123456Z.log{ending}");
                assert_eq!(original(&rotated), Some(format!("{name}.log")));
            }
        }
        assert_eq!(original("shop.производительность.log"), None);
    }

    #[test]
    fn what_is_no_regular_file_is_not_a_member_whatever_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let family = Family::of(&folder.path().join("app.log"));
        fs::create_dir(family.rotated(Stamp(1))).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", family.rotated(Stamp(2))).unwrap();
        fs::write(family.rotated(Stamp(3)), "").unwrap();
        let members = family.members(Ours::default()).unwrap();
        assert_eq!(members.len(), 1);
        assert_eq!(members[0].stamp, Stamp(3));
        assert_eq!(
            Family::of(Path::new("no/folder/a"))
                .members(Ours::default())
                .unwrap(),
            []
        );
    }

    proptest! {
        #[test]
        fn any_moment_is_read_back_and_sorts_as_its_name(a in 0..4_000_000_000_000_000_i64, b in 0..4_000_000_000_000_000_i64) {
            let (first, second) = (Stamp(a), Stamp(b));
            prop_assert_eq!(Stamp::read(first.to_string().as_bytes()), Some(first));
            prop_assert_eq!(first.to_string().cmp(&second.to_string()), a.cmp(&b));
            prop_assert!(first.behind(Some(second)) > second);
        }

        #[test]
        fn no_name_makes_it_fail(name in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = Family::of(Path::new("app")).read(&name);
            let _ = is_rotated_name(&name);
        }
    }
}
