//! What a library's bytes say before any of its code runs.
//!
//! `dlopen` trusts its file: one that is cut short kills the process, and constructors run before
//! anything could be asked. So everything that can be seen from outside is looked at first, on the
//! bytes of the very copy that will be opened.

use object::elf;
use object::endian::Endianness;
use object::read::elf::{Dyn, FileHeader, ProgramHeader, SectionHeader, Sym};
use rolog_core::frame::FRAME_VERSION;
use rolog_plugin::abi::{ABI_MAJOR, PROBE_PREFIX, ProbeInfo};

use super::Cause;

#[cfg(target_pointer_width = "64")]
type Header = elf::FileHeader64<Endianness>;
#[cfg(target_pointer_width = "32")]
type Header = elf::FileHeader32<Endianness>;

type Segment = <Header as FileHeader>::ProgramHeader;

/// The oldest version of frames that this host can write.
const OLDEST_FRAMES: u16 = 1;

/// Checks a library's bytes and reads its probe.
pub(super) fn inspect(bytes: &[u8]) -> Result<ProbeInfo, Cause> {
    let (header, endian) = shared_object(bytes)?;
    let segments = header
        .program_headers(endian, bytes)
        .map_err(|_| damaged("its program headers"))?;
    extents(header, endian, segments, bytes)?;
    dynamic(endian, segments, bytes)?;
    let probe = probe(header, endian, segments, bytes)?;
    acceptable(&probe)?;
    Ok(probe)
}

fn shared_object(bytes: &[u8]) -> Result<(&Header, Endianness), Cause> {
    if !bytes.starts_with(&elf::ELFMAG) {
        return Err(Cause::NotElf);
    }
    let ident = bytes.get(..16).ok_or_else(|| damaged("its header"))?;
    let class = if size_of::<usize>() == 8 { 2 } else { 1 };
    let order = if cfg!(target_endian = "little") { 1 } else { 2 };
    if ident[4] != class || ident[5] != order {
        return Err(Cause::OtherMachine);
    }
    let header = Header::parse(bytes).map_err(|_| damaged("its header"))?;
    let endian = header.endian().map_err(|_| damaged("its header"))?;
    if MACHINE.is_some_and(|machine| header.e_machine(endian) != machine) {
        return Err(Cause::OtherMachine);
    }
    if header.e_type(endian) != elf::ET_DYN {
        return Err(Cause::NotShared);
    }
    Ok((header, endian))
}

const MACHINE: Option<elf::Machine> = if cfg!(target_arch = "x86_64") {
    Some(elf::EM_X86_64)
} else if cfg!(target_arch = "aarch64") {
    Some(elf::EM_AARCH64)
} else if cfg!(target_arch = "x86") {
    Some(elf::EM_386)
} else if cfg!(target_arch = "arm") {
    Some(elf::EM_ARM)
} else if cfg!(any(target_arch = "riscv64", target_arch = "riscv32")) {
    Some(elf::EM_RISCV)
} else {
    None
};

/// Whether all that the file says it has is there.
fn extents(
    header: &Header,
    endian: Endianness,
    segments: &[Segment],
    bytes: &[u8],
) -> Result<(), Cause> {
    let inside = |offset: u64, size: u64| {
        offset
            .checked_add(size)
            .is_some_and(|end| end <= bytes.len() as u64)
    };
    for segment in segments {
        let (offset, size) = segment.file_range(endian);
        if !inside(offset, size) {
            return Err(damaged("a segment ends beyond the file"));
        }
    }
    let sections = header
        .section_headers(endian, bytes)
        .map_err(|_| damaged("its section headers"))?;
    for section in sections {
        if let Some((offset, size)) = section.file_range(endian)
            && !inside(offset, size)
        {
            return Err(damaged("a section ends beyond the file"));
        }
    }
    Ok(())
}

/// What the dynamic linker would be told.
fn dynamic(endian: Endianness, segments: &[Segment], bytes: &[u8]) -> Result<(), Cause> {
    let mut entries: &[<Header as FileHeader>::Dyn] = &[];
    for segment in segments {
        if let Some(found) = segment
            .dynamic(endian, bytes)
            .map_err(|_| damaged("its dynamic section"))?
        {
            entries = found;
        }
    }
    let value = |wanted| {
        entries
            .iter()
            .take_while(|entry| entry.tag(endian) != elf::DT_NULL)
            .find(|entry| entry.tag(endian) == wanted)
            .map(|entry| entry.val(endian))
    };
    if value(elf::DT_FLAGS).is_some_and(|flags| flags & elf::DF_STATIC_TLS.0 != 0) {
        return Err(Cause::StaticTls);
    }
    let (Some(strings), Some(size)) = (value(elf::DT_STRTAB), value(elf::DT_STRSZ)) else {
        return Err(damaged("it has no dynamic strings"));
    };
    let strings = at_address(endian, segments, bytes, strings, size)
        .ok_or_else(|| damaged("its dynamic strings"))?;
    for entry in entries {
        let names_files = [elf::DT_NEEDED, elf::DT_RPATH, elf::DT_RUNPATH];
        if names_files.contains(&entry.tag(endian)) {
            let text = text_at(strings, entry.val(endian))
                .ok_or_else(|| damaged("its dynamic strings"))?;
            if text.contains("$ORIGIN") || text.contains("${ORIGIN}") {
                return Err(Cause::Origin { what: text });
            }
        }
    }
    Ok(())
}

fn probe(
    header: &Header,
    endian: Endianness,
    segments: &[Segment],
    bytes: &[u8],
) -> Result<ProbeInfo, Cause> {
    let sections = header
        .sections(endian, bytes)
        .map_err(|_| damaged("its sections"))?;
    let symbols = sections
        .symbols(endian, bytes, elf::SHT_DYNSYM)
        .map_err(|_| damaged("its symbols"))?;
    let named = |wanted: &dyn Fn(&str) -> bool| {
        symbols
            .iter()
            .filter(|symbol| symbol.st_shndx(endian) != elf::SHN_UNDEF)
            .filter_map(|symbol| {
                let name = symbol.name(endian, symbols.strings()).ok()?;
                let name = str::from_utf8(name).ok()?;
                wanted(name).then(|| (name.to_owned(), symbol))
            })
            .collect::<Vec<_>>()
    };
    let probes = named(&|name| name.starts_with(PROBE_PREFIX));
    let [(_, symbol)] = probes.as_slice() else {
        return Err(if probes.is_empty() {
            Cause::NoProbe
        } else {
            Cause::SeveralProbes {
                symbols: probes.into_iter().map(|(name, _)| name).collect(),
            }
        });
    };
    let (address, size) = (wide(symbol.st_value(endian)), wide(symbol.st_size(endian)));
    let probe = at_address(endian, segments, bytes, address, size).ok_or(Cause::BadProbe {
        what: "it lies outside of the file",
    })?;
    let probe = ProbeInfo::parse(probe).map_err(|what| Cause::BadProbe { what })?;
    if probe.abi_major == ABI_MAJOR && named(&|name| name == probe.header).is_empty() {
        return Err(Cause::NoHeader {
            symbol: probe.header,
        });
    }
    Ok(probe)
}

/// Whether this host can use a plugin that says this of itself.
fn acceptable(probe: &ProbeInfo) -> Result<(), Cause> {
    if probe.abi_major != ABI_MAJOR {
        return Err(Cause::OtherAbi {
            theirs: (probe.abi_major, probe.abi_minor),
        });
    }
    if probe.panic_aborts() {
        return Err(Cause::PanicAborts);
    }
    if probe.frame_version < OLDEST_FRAMES {
        return Err(Cause::OldFrames {
            theirs: probe.frame_version,
        });
    }
    Ok(())
}

/// The version of frames that host and plugin both know.
pub(super) fn common_frames(probe: &ProbeInfo) -> u16 {
    probe.frame_version.min(FRAME_VERSION)
}

/// The bytes that the loader would put at this address.
fn at_address<'data>(
    endian: Endianness,
    segments: &[Segment],
    bytes: &'data [u8],
    address: u64,
    size: u64,
) -> Option<&'data [u8]> {
    segments
        .iter()
        .filter(|segment| segment.p_type(endian) == elf::PT_LOAD)
        .find_map(|segment| {
            segment
                .data_range(endian, bytes, address, size)
                .ok()
                .flatten()
        })
}

fn text_at(strings: &[u8], offset: u64) -> Option<String> {
    let rest = strings.get(usize::try_from(offset).ok()?..)?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    Some(String::from_utf8_lossy(&rest[..end]).into_owned())
}

/// An address or a size of either class of machine.
fn wide(word: impl Into<u64>) -> u64 {
    word.into()
}

fn damaged(what: &str) -> Cause {
    Cause::Damaged {
        what: what.to_owned(),
    }
}
