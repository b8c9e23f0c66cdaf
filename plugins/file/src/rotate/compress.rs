//! Making a rotated file smaller, so that at no moment is there less than one whole copy of it.
//!
//! The packed copy is written under a name that marks it as unfinished, brought to the disk, given
//! its final name, and only then does the plain file go. After a crash there is one of these:
//!
//! | there is | then |
//! |---|---|
//! | plain, unfinished | the unfinished one goes, and it is done anew |
//! | plain, packed | the packed one is read back and compared; the plain one goes, or is packed anew |
//! | packed | it had been done |
//!
//! Whoever writes an unfinished file holds a lock on it, so that nobody takes it for a crash's.

use std::fs::{self, File};
use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use rustix::fs::FlockOperation;

use super::name::{Form, Member};
use crate::config::Compress;
use crate::disk;

/// How much is read at a time; between two of these the work can be ended.
const CHUNK: usize = 256 * 1024;
/// gzip's own default; what more costs is not worth it for text.
const GZIP_LEVEL: u32 = 6;
const ZSTD_LEVEL: i32 = 3;

/// Packs a plain member. `false` when it was told to stop, or somebody else is at it; then nothing has
/// changed.
pub(super) fn pack(
    plain: &Member,
    kind: Compress,
    durable: bool,
    stop: &dyn Fn() -> bool,
) -> io::Result<bool> {
    let unfinished = plain.as_form(Form::Unfinished(kind));
    let packed = plain.as_form(Form::Packed(kind));
    let source = File::open(&plain.path)?;
    let Some(mut target) = begin(&unfinished, &source)? else {
        return Ok(false);
    };
    let finished =
        squeeze(kind, File::open(&plain.path)?, &mut target, stop).and_then(|finished| {
            if finished {
                dress(&source, &target)?;
                // Without this a crash of the machine could leave the name of a packed file and not its
                // content, with the plain one gone.
                disk::sync(&target)?;
                fs::rename(&unfinished, &packed)?;
            }
            Ok(finished)
        });
    match finished {
        Ok(true) => {
            if durable {
                disk::sync_folder_of(&packed)?;
            }
            fs::remove_file(&plain.path)?;
            Ok(true)
        }
        stopped => {
            fs::remove_file(&unfinished)?;
            stopped
        }
    }
}

/// Lets go of the plain file where a packed one holds the same, whichever way it was packed: a crash
/// came before that, and the settings may be others since. Says whether it is gone.
pub(super) fn complete(
    plain: &Member,
    packed: &Member,
    stop: &dyn Fn() -> bool,
) -> io::Result<bool> {
    let Form::Packed(kind) = packed.form else {
        return Ok(false);
    };
    let source = File::open(&plain.path)?;
    let same = plain.stamp == packed.stamp && is_copy(&packed.path, kind, &source, stop)?;
    if same {
        fs::remove_file(&plain.path)?;
    }
    Ok(same)
}

/// Removes what a crash left of a compression. Left alone is what somebody is working at.
pub(super) fn clear(unfinished: &Member) -> io::Result<()> {
    let file = File::open(&unfinished.path)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => fs::remove_file(&unfinished.path),
        Err(_) => Ok(()),
    }
}

/// A new file, locked, that nobody may read who could not read the source; `None` where there is one.
fn begin(unfinished: &Path, source: &File) -> io::Result<Option<File>> {
    let mode = source.metadata()?.mode() & 0o777;
    let opened = File::options()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(unfinished);
    let target = match opened {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(None),
        opened => opened?,
    };
    rustix::fs::flock(&target, FlockOperation::NonBlockingLockExclusive)?;
    Ok(Some(target))
}

/// Owner, mode and time are those of the plain file, as far as we may set them.
fn dress(source: &File, target: &File) -> io::Result<()> {
    let (data, made) = (source.metadata()?, target.metadata()?);
    let user = Some(data.uid()).filter(|user| *user != made.uid());
    let group = Some(data.gid()).filter(|group| *group != made.gid());
    if (user.is_some() || group.is_some())
        && std::os::unix::fs::fchown(target, user, group).is_err()
    {
        // Then what the group may do would be given to another group.
        let own = data.mode() & 0o700;
        target.set_permissions(fs::Permissions::from_mode(own))?;
    } else {
        target.set_permissions(fs::Permissions::from_mode(data.mode() & 0o777))?;
    }
    if let Ok(modified) = data.modified() {
        target.set_modified(modified)?;
    }
    Ok(())
}

fn squeeze(
    kind: Compress,
    source: File,
    target: &mut File,
    stop: &dyn Fn() -> bool,
) -> io::Result<bool> {
    let target = io::BufWriter::with_capacity(CHUNK, target);
    match kind {
        Compress::Gzip => {
            let mut encoder = GzEncoder::new(target, flate2::Compression::new(GZIP_LEVEL));
            let finished = copy(source, &mut encoder, stop)?;
            encoder.finish()?.flush()?;
            Ok(finished)
        }
        Compress::Zstd => {
            let mut encoder = zstd::Encoder::new(target, ZSTD_LEVEL)?;
            encoder.include_checksum(true)?;
            let finished = copy(source, &mut encoder, stop)?;
            encoder.finish()?.flush()?;
            Ok(finished)
        }
        Compress::Off => Err(ErrorKind::Unsupported.into()),
    }
}

fn copy(mut source: File, target: &mut impl Write, stop: &dyn Fn() -> bool) -> io::Result<bool> {
    let mut chunk = vec![0; CHUNK];
    loop {
        if stop() {
            return Ok(false);
        }
        match source.read(&mut chunk) {
            Ok(0) => return Ok(true),
            Ok(count) => target.write_all(&chunk[..count])?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether a packed file holds what the plain one holds. One that cannot be read does not.
fn is_copy(
    packed: &Path,
    kind: Compress,
    plain: &File,
    stop: &dyn Fn() -> bool,
) -> io::Result<bool> {
    let packed = BufReader::with_capacity(CHUNK, File::open(packed)?);
    let mut unpacked: Box<dyn Read> = match kind {
        Compress::Gzip => Box::new(MultiGzDecoder::new(packed)),
        Compress::Zstd => Box::new(zstd::Decoder::with_buffer(packed)?),
        Compress::Off => return Ok(false),
    };
    let mut plain = BufReader::with_capacity(CHUNK, plain.try_clone()?);
    let (mut left, mut right) = (vec![0; CHUNK], Vec::with_capacity(CHUNK));
    loop {
        if stop() {
            return Ok(false);
        }
        let count = match unpacked.read(&mut left) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => return Ok(false),
        };
        right.clear();
        // One byte more at the end: there must be none.
        let wanted = count.max(1) as u64;
        plain.by_ref().take(wanted).read_to_end(&mut right)?;
        if right != left[..count] {
            return Ok(false);
        }
        if count == 0 {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rotate::name::{Family, Ours, Stamp};

    struct Place {
        folder: tempfile::TempDir,
    }

    impl Place {
        fn new() -> Self {
            Place {
                folder: tempfile::tempdir().unwrap(),
            }
        }

        fn family(&self) -> Family {
            Family::of(&self.folder.path().join("app.log"))
        }

        fn plain(&self, content: &[u8]) -> Member {
            fs::write(self.family().rotated(Stamp::now()), content).unwrap();
            self.only()
        }

        fn only(&self) -> Member {
            let mut members = self.family().members(Ours::default()).unwrap();
            assert_eq!(members.len(), 1, "{members:?}");
            members.remove(0)
        }
    }

    fn unpacked(member: &Member) -> Vec<u8> {
        let file = File::open(&member.path).unwrap();
        let mut content = Vec::new();
        match member.form {
            Form::Packed(Compress::Gzip) => {
                MultiGzDecoder::new(file).read_to_end(&mut content).unwrap();
            }
            _ => {
                zstd::stream::copy_decode(file, &mut content).unwrap();
            }
        }
        content
    }

    fn text() -> Vec<u8> {
        (0..100_000)
            .flat_map(|n| format!("line {n}\n").into_bytes())
            .collect()
    }

    #[test]
    fn what_is_packed_is_the_same_again_with_its_mode_and_time() {
        for kind in [Compress::Gzip, Compress::Zstd] {
            let place = Place::new();
            let plain = place.plain(&text());
            fs::set_permissions(&plain.path, fs::Permissions::from_mode(0o640)).unwrap();
            let before = fs::metadata(&plain.path).unwrap();
            assert!(pack(&plain, kind, true, &|| false).unwrap());
            let packed = place.only();
            assert_eq!(packed.form, Form::Packed(kind));
            assert!(packed.len < plain.len / 2);
            assert_eq!(unpacked(&packed), text());
            let after = fs::metadata(&packed.path).unwrap();
            assert_eq!(after.mode(), before.mode());
            assert_eq!(after.modified().unwrap(), before.modified().unwrap());
        }
    }

    #[test]
    fn work_that_is_stopped_leaves_the_plain_file_and_nothing_else() {
        let place = Place::new();
        let plain = place.plain(&text());
        assert!(!pack(&plain, Compress::Zstd, false, &|| true).unwrap());
        assert_eq!(place.only(), plain);
    }

    #[test]
    fn a_crash_before_the_plain_file_went_is_made_good_whatever_the_copy_holds() {
        for kind in [Compress::Gzip, Compress::Zstd] {
            let place = Place::new();
            let plain = place.plain(&text());
            let kept = place.folder.path().join("kept");
            fs::hard_link(&plain.path, &kept).unwrap();
            assert!(pack(&plain, kind, false, &|| false).unwrap());
            let packed = place.only();
            let whole = fs::read(&packed.path).unwrap();
            for content in [&whole[..], &whole[..whole.len() / 2], b"nonsense", b""] {
                fs::write(&packed.path, content).unwrap();
                fs::hard_link(&kept, &plain.path).unwrap();
                let complete = complete(&plain, &packed, &|| false).unwrap();
                assert_eq!(complete, content == whole);
                assert_eq!(plain.path.exists(), !complete);
                if !complete {
                    assert!(pack(&plain, kind, false, &|| false).unwrap());
                }
                assert_eq!(unpacked(&place.only()), text());
            }
        }
    }

    #[test]
    fn a_copy_of_something_shorter_or_longer_is_none() {
        let place = Place::new();
        let plain = place.plain(b"one\ntwo\n");
        let packed = plain.as_form(Form::Packed(Compress::Zstd));
        for content in [&b"one\n"[..], b"one\ntwo\nthree\n", b"one\ntwO\n"] {
            fs::write(&packed, zstd::encode_all(content, 0).unwrap()).unwrap();
            let source = File::open(&plain.path).unwrap();
            assert!(!is_copy(&packed, Compress::Zstd, &source, &|| false).unwrap());
        }
    }

    #[test]
    fn what_a_crash_left_unfinished_goes_and_what_is_worked_at_stays() {
        let place = Place::new();
        let plain = place.plain(b"line\n");
        let unfinished = plain.as_form(Form::Unfinished(Compress::Gzip));
        let source = File::open(&plain.path).unwrap();
        let working = begin(&unfinished, &source).unwrap().unwrap();
        assert!(begin(&unfinished, &source).unwrap().is_none());
        assert!(!pack(&plain, Compress::Gzip, false, &|| false).unwrap());
        let members = place.family().members(Ours::default()).unwrap();
        let found = members
            .iter()
            .find(|member| member.form != Form::Plain)
            .unwrap();
        clear(found).unwrap();
        assert!(unfinished.exists());
        drop(working);
        clear(found).unwrap();
        assert!(!unfinished.exists());
    }
}
