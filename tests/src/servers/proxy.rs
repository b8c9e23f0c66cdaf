//! A way to a server that cuts connections in mid-flight.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use super::Port;

/// After how many bytes towards the server each connection is cut: the first after the first number,
/// and so on, and those after the last are left alone.
#[derive(Clone, Debug)]
pub struct Cuts(pub Vec<u64>);

/// Passes bytes both ways between clients and a server on this machine. A cut comes after bytes have
/// gone to the server, and what it answers to them never arrives.
#[derive(Debug)]
pub struct Proxy {
    address: String,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    server: u16,
    cuts: Cuts,
    connections: AtomicU64,
    cut: AtomicU64,
    ended: AtomicBool,
}

impl Proxy {
    /// From one port to another.
    ///
    /// # Panics
    /// When somebody listens there already.
    pub fn start(from: &Port, to: &Port, cuts: Cuts) -> Proxy {
        let address = format!("127.0.0.1:{}", from.number());
        let listener = TcpListener::bind(&address).expect("the port is held for this");
        let state = Arc::new(State {
            server: to.number(),
            cuts,
            connections: AtomicU64::new(0),
            cut: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming() {
                if accepting.ended.load(Ordering::SeqCst) {
                    return;
                }
                let state = Arc::clone(&accepting);
                thread::spawn(move || {
                    // Either end may go away at any moment; so may the server.
                    let _ = client.and_then(|client| state.lead(&client));
                });
            }
        });
        Proxy { address, state }
    }

    /// Where clients begin.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How many connections were cut.
    pub fn cut(&self) -> u64 {
        self.state.cut.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(&self.address));
    }
}

impl State {
    fn lead(&self, client: &TcpStream) -> io::Result<()> {
        let number = self.connections.fetch_add(1, Ordering::SeqCst) as usize;
        let server = TcpStream::connect(("127.0.0.1", self.server))?;
        for end in [client, &server] {
            end.set_nodelay(true)?;
        }
        thread::scope(|scope| {
            scope.spawn(|| {
                let _ = pass(&server, client, u64::MAX);
                let _ = client.shutdown(Shutdown::Both);
            });
            let most = self.cuts.0.get(number).copied();
            if pass(client, &server, most.unwrap_or(u64::MAX)).is_ok_and(|cut| cut) {
                self.cut.fetch_add(1, Ordering::SeqCst);
                // The client first: nothing that the server still says is to arrive.
                let _ = client.shutdown(Shutdown::Both);
            }
            server.shutdown(Shutdown::Both)
        })
    }
}

/// Passes bytes on until there are no more, or so many have gone; says whether it was that.
fn pass(mut from: &TcpStream, mut to: &TcpStream, most: u64) -> io::Result<bool> {
    let mut buffer = vec![0; 16 << 10];
    let mut left = most;
    while left > 0 {
        let want = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        match from.read(&mut buffer[..want])? {
            0 => return Ok(false),
            n => {
                to.write_all(&buffer[..n])?;
                left -= n as u64;
            }
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connection_is_cut_where_it_was_said_and_the_later_ones_are_not() {
        let (from, to) = (Port::free(), Port::free());
        let echo = TcpListener::bind(("127.0.0.1", to.number())).unwrap();
        thread::spawn(move || {
            for stream in echo.incoming() {
                thread::spawn(move || {
                    let stream = stream.unwrap();
                    pass(&stream, &stream, u64::MAX)
                });
            }
        });
        let proxy = Proxy::start(&from, &to, Cuts(vec![3]));
        let say = |bytes: &[u8]| {
            let mut stream = TcpStream::connect(proxy.address())?;
            stream.write_all(bytes)?;
            let mut answer = vec![0; bytes.len()];
            stream.read_exact(&mut answer)?;
            io::Result::Ok(answer)
        };
        say(b"hello").unwrap_err();
        assert_eq!(proxy.cut(), 1);
        assert_eq!(say(b"hello").unwrap(), b"hello");
        assert_eq!(proxy.cut(), 1);
    }
}
