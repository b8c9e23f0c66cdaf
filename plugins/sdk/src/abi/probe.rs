//! The few bytes that say what a library is, read before it is opened.

/// What a library says of itself, as plain bytes in its file. Frozen for ever.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Probe {
    magic: [u8; 16],
    size: u32,
    abi_major: u16,
    abi_minor: u16,
    frame_version: u16,
    flags: u16,
    reserved: [u8; 36],
    name: [u8; 64],
    version: [u8; 64],
    sdk: [u8; 32],
    header: [u8; 256],
}

impl Probe {
    /// What every probe begins with.
    pub const MAGIC: [u8; 16] = *b"rolog plugin\r\n\x1a\0";

    /// Bytes of a probe.
    pub const SIZE: usize = size_of::<Probe>();

    /// Flag: built with `panic = "abort"`, so that a panic cannot be contained.
    pub const PANIC_ABORTS: u16 = 1;

    /// The probe of a plugin; meant for [`export_target!`](crate::export_target), which builds it
    /// at compile time.
    ///
    /// # Panics
    /// For a text that does not fit: a name or a version of more than 63 bytes.
    pub const fn new(
        name: &str,
        version: &str,
        header: &str,
        frame_version: u16,
        panic_aborts: bool,
    ) -> Probe {
        assert!(!name.is_empty(), "a plugin needs a name");
        Probe {
            magic: Self::MAGIC,
            size: Self::SIZE as u32,
            abi_major: super::ABI_MAJOR,
            abi_minor: super::ABI_MINOR,
            frame_version,
            flags: if panic_aborts { Self::PANIC_ABORTS } else { 0 },
            reserved: [0; 36],
            name: text(name),
            version: text(version),
            sdk: text(env!("CARGO_PKG_VERSION")),
            header: text(header),
        }
    }

    /// What the probe says, for plugins that are linked in.
    pub fn info(&self) -> ProbeInfo {
        ProbeInfo {
            abi_major: self.abi_major,
            abi_minor: self.abi_minor,
            frame_version: self.frame_version,
            flags: self.flags,
            name: read_text(&self.name).unwrap_or_default(),
            version: read_text(&self.version).unwrap_or_default(),
            sdk: read_text(&self.sdk).unwrap_or_default(),
            header: read_text(&self.header).unwrap_or_default(),
        }
    }
}

/// The contents of a probe, read from bytes that nobody vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeInfo {
    /// Major version of the interface.
    pub abi_major: u16,
    /// Minor version of the interface.
    pub abi_minor: u16,
    /// The highest version of frames that the plugin reads.
    pub frame_version: u16,
    /// See [`Probe::PANIC_ABORTS`].
    pub flags: u16,
    /// The plugin's name, as pipelines write it.
    pub name: String,
    /// The plugin's own version.
    pub version: String,
    /// The version of the SDK that it was built with.
    pub sdk: String,
    /// The symbol that leads to the module.
    pub header: String,
}

impl ProbeInfo {
    /// Reads the bytes behind a probe symbol, in this machine's byte order.
    ///
    /// # Errors
    /// One clause that says what is wrong with the bytes.
    pub fn parse(bytes: &[u8]) -> Result<ProbeInfo, &'static str> {
        let mut rest = bytes;
        let mut take = |count: usize| {
            let (head, tail) = rest.split_at_checked(count).ok_or("it is cut short")?;
            rest = tail;
            Ok::<&[u8], &'static str>(head)
        };
        if take(16)? != Probe::MAGIC {
            return Err("it does not begin as a probe does");
        }
        let size = take(4)?;
        if u32::from_ne_bytes([size[0], size[1], size[2], size[3]]) < Probe::SIZE as u32 {
            return Err("it is shorter than a probe");
        }
        let mut number = || take(2).map(|bytes| u16::from_ne_bytes([bytes[0], bytes[1]]));
        let (abi_major, abi_minor) = (number()?, number()?);
        let (frame_version, flags) = (number()?, number()?);
        take(36)?;
        let mut word = |count| read_text(take(count)?);
        let info = ProbeInfo {
            abi_major,
            abi_minor,
            frame_version,
            flags,
            name: word(64)?,
            version: word(64)?,
            sdk: word(32)?,
            header: word(256)?,
        };
        if info.name.is_empty() || info.header.is_empty() {
            return Err("it names no plugin");
        }
        Ok(info)
    }

    /// Whether a panic in this library ends the process.
    pub fn panic_aborts(&self) -> bool {
        self.flags & Probe::PANIC_ABORTS != 0
    }
}

const fn text<const N: usize>(text: &str) -> [u8; N] {
    let bytes = text.as_bytes();
    assert!(bytes.len() < N, "the text is too long for a plugin's probe");
    let mut out = [0; N];
    let mut index = 0;
    while index < bytes.len() {
        out[index] = bytes[index];
        index += 1;
    }
    out
}

fn read_text(bytes: &[u8]) -> Result<String, &'static str> {
    let end = bytes
        .iter()
        .position(|byte| *byte == 0)
        .ok_or("a text in it has no end")?;
    let text = str::from_utf8(&bytes[..end]).map_err(|_| "a text in it is not UTF-8")?;
    if text.chars().any(char::is_control) {
        return Err("a text in it has control characters");
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(probe: &Probe) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(probe.magic);
        out.extend(probe.size.to_ne_bytes());
        for number in [
            probe.abi_major,
            probe.abi_minor,
            probe.frame_version,
            probe.flags,
        ] {
            out.extend(number.to_ne_bytes());
        }
        out.extend(probe.reserved);
        out.extend(probe.name);
        out.extend(probe.version);
        out.extend(probe.sdk);
        out.extend(probe.header);
        out
    }

    const PROBE: Probe = Probe::new("good", "1.2.3", "rolog_header_good", 1, false);

    #[test]
    fn the_layout_is_frozen() {
        assert_eq!(Probe::SIZE, 480);
        assert_eq!(bytes(&PROBE).len(), Probe::SIZE);
        assert_eq!(std::mem::offset_of!(Probe, name), 64);
        assert_eq!(std::mem::offset_of!(Probe, header), 224);
    }

    #[test]
    fn what_is_written_is_read() {
        let read = ProbeInfo::parse(&bytes(&PROBE)).unwrap();
        assert_eq!(read, PROBE.info());
        assert_eq!(
            (read.name.as_str(), read.version.as_str()),
            ("good", "1.2.3")
        );
        assert_eq!(read.header, "rolog_header_good");
        assert!(!read.panic_aborts());
        assert!(
            Probe::new("x", "1", "h", 1, true).info().panic_aborts(),
            "the flag is kept"
        );
    }

    #[test]
    fn damaged_bytes_are_refused_and_never_panic() {
        let good = bytes(&PROBE);
        for cut in 0..good.len() {
            assert!(ProbeInfo::parse(&good[..cut]).is_err(), "cut at {cut}");
        }
        let with = |at: usize, byte: u8| {
            let mut bad = good.clone();
            bad[at] = byte;
            ProbeInfo::parse(&bad).unwrap_err()
        };
        assert_eq!(with(0, b'R'), "it does not begin as a probe does");
        assert_eq!(with(17, 0), "it is shorter than a probe");
        assert_eq!(with(64, 0), "it names no plugin");
        assert_eq!(with(65, 0xff), "a text in it is not UTF-8");
        assert_eq!(with(65, 7), "a text in it has control characters");
        let mut endless = good.clone();
        endless[64..128].fill(b'x');
        assert_eq!(
            ProbeInfo::parse(&endless).unwrap_err(),
            "a text in it has no end"
        );
    }
}
