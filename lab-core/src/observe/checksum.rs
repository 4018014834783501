//! Checksums that a sender's kernel left to a card.

use etherparse::{LaxNetSlice, LaxSlicedPacket, TransportSlice, UdpHeader};

/// Writes the checksum of TCP or UDP into a whole frame, as a card would have done. Whoever reads
/// the frame later can't know that it was left to do. A frame of something else stays as it is.
pub fn complete_checksum(frame: &mut [u8]) {
    let Some((at, sum)) = missing(frame) else {
        return;
    };
    if let Some(place) = frame.get_mut(at..at + 2) {
        place.copy_from_slice(&sum.to_be_bytes());
    }
}

/// Where the checksum stands, and what it is.
fn missing(frame: &[u8]) -> Option<(usize, u16)> {
    let packet = LaxSlicedPacket::from_ethernet(frame).ok()?;
    let net = packet.net?;
    if net.ip_payload_ref()?.incomplete {
        return None;
    }
    let transport = packet.transport?;
    let (header, sum) = match (&net, &transport) {
        (LaxNetSlice::Ipv4(ip), TransportSlice::Tcp(tcp)) => {
            let (from, to) = (ip.header().source(), ip.header().destination());
            (tcp.slice(), tcp.calc_checksum_ipv4(from, to).ok()?)
        }
        (LaxNetSlice::Ipv6(ip), TransportSlice::Tcp(tcp)) => {
            let (from, to) = (ip.header().source(), ip.header().destination());
            (tcp.slice(), tcp.calc_checksum_ipv6(from, to).ok()?)
        }
        (LaxNetSlice::Ipv4(ip), TransportSlice::Udp(udp)) => {
            let (from, to) = (ip.header().source(), ip.header().destination());
            let header: UdpHeader = udp.to_header();
            let sum = header
                .calc_checksum_ipv4_raw(from, to, udp.payload())
                .ok()?;
            (udp.slice(), sum)
        }
        (LaxNetSlice::Ipv6(ip), TransportSlice::Udp(udp)) => {
            let (from, to) = (ip.header().source(), ip.header().destination());
            let header: UdpHeader = udp.to_header();
            let sum = header
                .calc_checksum_ipv6_raw(from, to, udp.payload())
                .ok()?;
            (udp.slice(), sum)
        }
        _ => return None,
    };
    // Both are parts of the same bytes.
    let start = header.as_ptr().addr().checked_sub(frame.as_ptr().addr())?;
    let within = match transport {
        TransportSlice::Tcp(_) => 16,
        _ => 6,
    };
    Some((start + within, sum))
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;

    use super::complete_checksum;

    #[test]
    fn a_checksum_is_what_a_sender_without_a_card_writes() {
        let to = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        let mut frames = [const { Vec::new() }; 4];
        let four = || PacketBuilder::ethernet2(to.0, to.1).ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64);
        let six = || PacketBuilder::ethernet2(to.0, to.1).ipv6([0xfd; 16], [0xfc; 16], 64);
        let data = b"some data of odd length";
        four()
            .tcp(1, 2, 3, 4)
            .write(&mut frames[0], data)
            .expect("a packet");
        six()
            .tcp(1, 2, 3, 4)
            .write(&mut frames[1], data)
            .expect("a packet");
        four()
            .udp(1, 2)
            .write(&mut frames[2], data)
            .expect("a packet");
        six()
            .udp(1, 2)
            .write(&mut frames[3], data)
            .expect("a packet");
        for (frame, at) in frames.iter_mut().zip([50, 70, 40, 60]) {
            let whole = frame.clone();
            frame[at..at + 2].copy_from_slice(&[0x12, 0x34]);
            assert_ne!(*frame, whole);
            complete_checksum(frame);
            assert_eq!(*frame, whole, "at {at}");
            // What is cut off can't be summed up.
            let mut cut = whole[..whole.len() - 1].to_vec();
            complete_checksum(&mut cut);
            assert_eq!(cut, whole[..whole.len() - 1]);
        }
    }
}
