//! Sockets.

use std::mem::offset_of;

use super::{Action, Attempt, NONE, address, call, close, place};
use crate::Paths;

pub(super) const ACTIONS: &[Action] = &[
    ("bind_tcp", |_| bind(libc::AF_INET, libc::SOCK_STREAM, 0)),
    ("bind_tcp6", |_| bind(libc::AF_INET6, libc::SOCK_STREAM, 0)),
    ("bind_mptcp", |_| {
        bind(libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_MPTCP)
    }),
    ("bind_udp", |_| bind(libc::AF_INET, libc::SOCK_DGRAM, 0)),
    ("listen_unbound", |_| {
        with_socket(libc::AF_INET, libc::SOCK_STREAM, 0, |socket| {
            call(libc::SYS_listen, [socket, 1])
        })
    }),
    ("connect_control", |paths| {
        let path = paths.control.as_os_str().as_encoded_bytes();
        unix(libc::SOCK_STREAM, libc::SYS_connect, path)
    }),
    ("bind_unix", |paths| {
        let path = paths.home.join("prober.sock");
        let bound = unix(
            libc::SOCK_STREAM,
            libc::SYS_bind,
            path.as_os_str().as_encoded_bytes(),
        )?;
        // A sandbox that let it be made may well not let it be removed.
        let _ = std::fs::remove_file(path);
        Ok(bound)
    }),
    ("connect_abstract", |_| {
        unix(libc::SOCK_STREAM, libc::SYS_connect, b"\0miniclaw-prober-nobody")
    }),
    ("bind_abstract", |_| {
        let name = format!("\0miniclaw-prober-{}", std::process::id());
        unix(libc::SOCK_STREAM, libc::SYS_bind, name.as_bytes())
    }),
    ("connect_unix_datagram", |paths| {
        let path = paths.control.as_os_str().as_encoded_bytes();
        unix(libc::SOCK_DGRAM, libc::SYS_connect, path)
    }),
    ("raw_socket", |_| {
        socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP)
    }),
    ("packet_socket", |_| socket(libc::AF_PACKET, libc::SOCK_RAW, 0)),
    ("change_network", change_network),
    ("kernel_crypto_socket", |_| {
        socket(libc::AF_ALG, libc::SOCK_SEQPACKET, 0)
    }),
    ("machine_socket", |_| socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0)),
    ("bluetooth_socket", |_| {
        socket(libc::AF_BLUETOOTH, libc::SOCK_RAW, 1)
    }),
];

fn with_socket(domain: i32, kind: i32, protocol: i32, then: impl FnOnce(usize) -> Attempt) -> Attempt {
    let arguments = [domain, kind | libc::SOCK_CLOEXEC, protocol].map(|number| number as usize);
    let socket = call(libc::SYS_socket, arguments)?;
    let ended = then(socket);
    close(socket);
    ended
}

fn socket(domain: i32, kind: i32, protocol: i32) -> Attempt {
    with_socket(domain, kind, protocol, Ok)
}

/// To any port of any address: nobody listens.
fn bind(domain: i32, kind: i32, protocol: i32) -> Attempt {
    let mut name = [0_u8; 28];
    name[..2].copy_from_slice(&(domain as u16).to_ne_bytes());
    let length = if domain == libc::AF_INET {
        size_of::<libc::sockaddr_in>()
    } else {
        size_of::<libc::sockaddr_in6>()
    };
    with_socket(domain, kind, protocol, |socket| {
        call(libc::SYS_bind, [socket, address(&name), length])
    })
}

/// Binds or connects to a path, or to a name that begins with a zero byte.
fn unix(kind: i32, number: std::ffi::c_long, path: &[u8]) -> Attempt {
    let start = offset_of!(libc::sockaddr_un, sun_path);
    let mut name = [0_u8; size_of::<libc::sockaddr_un>()];
    name[..2].copy_from_slice(&(libc::AF_UNIX as u16).to_ne_bytes());
    let room = &mut name[start..];
    let length = path.len().min(room.len() - 1);
    room[..length].copy_from_slice(&path[..length]);
    let end = if path.starts_with(b"\0") {
        length
    } else {
        length + 1
    };
    with_socket(libc::AF_UNIX, kind, 0, |socket| {
        call(number, [socket, address(&name), start + end])
    })
}

/// Asks for the removal of an address of interface number −1; the kernel's answer says what it thought of that.
fn change_network(_: &Paths) -> Attempt {
    const REMOVE_ADDRESS: u16 = 21;
    const REQUEST_AND_ACKNOWLEDGE: u16 = 5;
    /// Where the answer's error stands, behind its header.
    const ERROR_AT: usize = 16;
    let mut request = [0_u8; 24];
    request[..4].copy_from_slice(&24_u32.to_ne_bytes());
    request[4..6].copy_from_slice(&REMOVE_ADDRESS.to_ne_bytes());
    request[6..8].copy_from_slice(&REQUEST_AND_ACKNOWLEDGE.to_ne_bytes());
    request[16] = libc::AF_INET as u8;
    request[20..24].copy_from_slice(&u32::MAX.to_ne_bytes());
    let mut answer = [0_u8; 512];
    with_socket(libc::AF_NETLINK, libc::SOCK_RAW, 0, |socket| {
        call(
            libc::SYS_sendto,
            [socket, address(&request), request.len(), 0, 0, 0],
        )?;
        call(
            libc::SYS_recvfrom,
            [socket, place(&mut answer), size_of_val(&answer), 0, 0, 0],
        )?;
        let error = &answer[ERROR_AT..ERROR_AT + 4];
        match error.try_into().map(i32::from_ne_bytes) {
            Ok(0) => Ok(0),
            Ok(error) => Err(-error),
            Err(_) => Err(NONE as i32),
        }
    })
}
