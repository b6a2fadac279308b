//! Who listens, and what they got.

use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, accept, bind, getsockopt, listen, socket, sockopt::PeerCredentials,
};

/// All that came, in one heap.
#[derive(Clone, Default)]
pub struct Listeners {
    got: Arc<Mutex<String>>,
}

impl Listeners {
    pub fn got(&self, token: &str) -> bool {
        self.got.lock().unwrap().contains(token)
    }

    /// A TCP port of an address.
    pub fn tcp(&self, host: &str) -> u16 {
        let listener = TcpListener::bind((host, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        self.accept(move || Ok(listener.accept()?.0));
        port
    }

    pub fn udp(&self, host: &str) -> u16 {
        let socket = UdpSocket::bind((host, 0)).unwrap();
        let port = socket.local_addr().unwrap().port();
        self.take(move |buffer| socket.recv(buffer));
        port
    }

    /// A stream socket at a path, for everybody.
    pub fn stream(&self, path: &str) {
        let listener = UnixListener::bind(path).unwrap();
        open_to_all(path);
        self.accept(move || listener.accept().map(|(connection, _)| Identified(connection)));
    }

    /// A stream socket with an abstract name.
    pub fn abstract_stream(&self, name: &str) {
        let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(name).unwrap()).unwrap();
        self.accept(move || Ok(listener.accept()?.0));
    }

    /// A datagram socket at a path, as syslog has one.
    pub fn datagrams(&self, path: &str) {
        let socket = UnixDatagram::bind(path).unwrap();
        open_to_all(path);
        self.take(move |buffer| socket.recv(buffer));
    }

    pub fn abstract_datagrams(&self, name: &str) {
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(name).unwrap()).unwrap();
        self.take(move |buffer| socket.recv(buffer));
    }

    /// A socket of packets at a path, as udev and systemd have some.
    pub fn packets(&self, path: &str) {
        let listener: OwnedFd = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::empty(), None).unwrap();
        bind(listener.as_raw_fd(), &UnixAddr::new(path).unwrap()).unwrap();
        listen(&listener, Backlog::new(10).unwrap()).unwrap();
        open_to_all(path);
        let (got, accept) = (Arc::clone(&self.got), move || accept(listener.as_raw_fd()));
        thread::spawn(move || {
            while let Ok(connection) = accept() {
                let mut buffer = [0; 256];
                let length = nix::sys::socket::recv(connection, &mut buffer, nix::sys::socket::MsgFlags::empty()).unwrap_or(0);
                note(&got, &buffer[..length]);
                let _ = nix::unistd::close(connection);
            }
        });
    }

    fn accept<R: Read + Send + 'static>(&self, mut accept: impl FnMut() -> std::io::Result<R> + Send + 'static) {
        let got = Arc::clone(&self.got);
        thread::spawn(move || {
            while let Ok(mut connection) = accept() {
                let got = Arc::clone(&got);
                // One that says nothing must not keep the next waiting.
                thread::spawn(move || {
                    let mut buffer = [0; 256];
                    let length = connection.read(&mut buffer).unwrap_or(0);
                    note(&got, &buffer[..length]);
                });
            }
        });
    }

    fn take(&self, receive: impl Fn(&mut [u8]) -> std::io::Result<usize> + Send + 'static) {
        let got = Arc::clone(&self.got);
        thread::spawn(move || {
            let mut buffer = [0; 256];
            while let Ok(length) = receive(&mut buffer) {
                note(&got, &buffer[..length]);
            }
        });
    }
}

/// A local connection that ends with who made it.
struct Identified(UnixStream);

impl Read for Identified {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let uid = getsockopt(&self.0, PeerCredentials)?.uid();
        let length = self.0.read(buffer)?;
        let suffix = format!(" uid={uid}");
        buffer[length..length + suffix.len()].copy_from_slice(suffix.as_bytes());
        Ok(length + suffix.len())
    }
}

fn note(got: &Mutex<String>, bytes: &[u8]) {
    let mut got = got.lock().unwrap();
    got.push_str(&String::from_utf8_lossy(bytes));
    got.push('\n');
}

fn open_to_all(path: &str) {
    std::fs::set_permissions(Path::new(path), std::fs::Permissions::from_mode(0o666)).unwrap();
}

/// Sends something to a UDP port of this host until the test lets go of it.
pub struct Sender(Arc<Mutex<bool>>);

impl Sender {
    pub fn to(port: u16, text: &'static str) -> Sender {
        let going = Arc::new(Mutex::new(true));
        let flag = Arc::clone(&going);
        thread::spawn(move || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            while *flag.lock().unwrap() {
                let _ = socket.send_to(text.as_bytes(), ("127.0.0.1", port));
                thread::sleep(Duration::from_millis(20));
            }
        });
        Sender(going)
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        *self.0.lock().unwrap() = false;
    }
}
