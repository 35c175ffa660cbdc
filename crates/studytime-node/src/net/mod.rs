//! Sockets: listening, dialling, local discovery, and deciding whom to dial.

pub(crate) mod address;
mod dial;
mod driver;
mod gate;
mod lan;
mod listen;
pub(crate) mod once;
pub(crate) mod room;
mod schedule;
mod seeders;
pub(crate) mod tunnel;

pub use address::{Address, Multiserver, ParseAddressError, Target, Transport, TunnelAddress, Way};
pub(crate) use dial::{DialError, broken_text};
pub(crate) use driver::{Net, start};
#[cfg(test)]
pub(crate) use gate::MAX_HANDSHAKES;
pub use lan::Lan;
pub(crate) use listen::listen;
pub(crate) use schedule::{BLOCKED, Kind, Record, Survivor, survivor};

use socket2::{SockRef, TcpKeepalive};
use std::time::Duration;
use tokio::net::TcpStream;

/// A peer whose machine answers nothing for so long is gone: its cable, its
/// radio or its power. The system's own limit is a quarter of an hour.
pub(crate) const SILENT: Duration = Duration::from_secs(30);

/// Bytes that the system may hold unsent, beside those on their way.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT: u32 = 128 * 1024;

/// Small writes go at once, and a peer that is gone is noticed.
fn tune(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let socket = SockRef::from(stream);
    let alive = TcpKeepalive::new()
        .with_time(SILENT / 2)
        .with_interval(SILENT / 6);
    // For what is idle; and for what waits to be confirmed.
    let _ = socket.set_tcp_keepalive(&alive);
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let _ = socket.set_tcp_user_timeout(Some(SILENT));
        // What the system holds unsent cannot be overtaken: on a slow line its megabytes
        // would be seconds before anything more urgent goes out.
        let _ = socket.set_tcp_notsent_lowat(UNSENT);
    }
}
