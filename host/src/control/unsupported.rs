//! Where there are no Unix sockets, the configuration refuses `control`.

use std::io;
use std::path::{Path, PathBuf};

use tokio::runtime::Handle;

use crate::pipeline::Link;

/// Never made.
#[derive(Debug)]
pub(crate) enum ControlServer {}

impl ControlServer {
    pub(crate) fn start(_: &Path, _: Link, _: &Handle) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn path(&self) -> PathBuf {
        match *self {}
    }
}
