//! TUN interfaces: packets that a program reads and writes.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use nix::libc;

/// `struct ifreq` of netdevice(7) as TUNSETIFF reads it: name, flags, and room for the rest.
#[repr(C)]
struct Request {
    name: [u8; libc::IFNAMSIZ],
    flags: libc::c_short,
    rest: [u8; 22],
}

/// Makes a TUN interface in the calling thread's network namespace: IP packets without a header
/// before them (IFF_NO_PI). It lives as long as the file given back. `name` has at most 15 bytes.
///
/// # Errors
/// There is no /dev/net/tun, the name is taken or too long, or the caller may not.
pub fn open(name: &str) -> io::Result<File> {
    let device = "/dev/net/tun";
    let said = |error: io::Error| {
        io::Error::new(
            error.kind(),
            format!("the kernel refused {device}: {error}"),
        )
    };
    let file = File::options()
        .read(true)
        .write(true)
        .open(device)
        .map_err(said)?;
    let mut request = Request {
        name: [0; libc::IFNAMSIZ],
        flags: (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short,
        rest: [0; 22],
    };
    if name.len() >= request.name.len() {
        let text = format!("`{name}` is too long for an interface: 15 bytes at most");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    request.name[..name.len()].copy_from_slice(name.as_bytes());
    // SAFETY: TUNSETIFF reads and writes one ifreq, whose size and layout Request has.
    match unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &mut request) } {
        -1 => Err(said(io::Error::last_os_error())),
        _ => Ok(file),
    }
}
