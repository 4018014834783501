use etherparse::PacketBuilder;

use super::{Headers, Network, TcpFlags, Transport};

const FROM: [u8; 6] = [2, 0, 0, 0, 0, 1];
const TO: [u8; 6] = [2, 0, 0, 0, 0, 2];

fn udp(data: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    let builder = PacketBuilder::ethernet2(FROM, TO)
        .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .udp(4000, 53);
    builder.write(&mut frame, data).expect("a packet");
    frame
}

fn told(frame: &[u8]) -> String {
    Headers::of(frame, frame.len() as u32).to_string()
}

#[test]
fn datagrams_and_segments_are_told_with_their_ends() {
    assert_eq!(
        told(&udp(b"abc")),
        "10.0.0.1:4000 > 10.0.0.2:53 UDP length 3"
    );
    let mut frame = Vec::new();
    let builder = PacketBuilder::ethernet2(FROM, TO)
        .ipv6([0xfd; 16], [0xfc; 16], 7)
        .tcp(4000, 443, 17, 100)
        .syn();
    builder.write(&mut frame, &[]).expect("a packet");
    let headers = Headers::of(&frame, frame.len() as u32);
    let Network::Ip(ip) = &headers.network else {
        panic!("{headers:?}")
    };
    let Transport::Tcp(tcp) = ip.transport else {
        panic!("{ip:?}")
    };
    assert!(tcp.flags.opens() && tcp.flags == TcpFlags(TcpFlags::SYN));
    assert_eq!((ip.ttl, tcp.sequence, tcp.payload), (7, 17, 0));
    let ends = "[fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd]:4000 > [fcfc:";
    assert!(told(&frame).starts_with(ends), "{}", told(&frame));
    assert!(told(&frame).ends_with("TCP SYN length 0"));
}

#[test]
fn an_error_names_the_packet_that_it_is_about() {
    let quoted = &udp(b"abc")[14..];
    let mut frame = Vec::new();
    let unreachable = etherparse::Icmpv4Type::DestinationUnreachable(
        etherparse::icmpv4::DestUnreachableHeader::Port,
    );
    let builder = PacketBuilder::ethernet2(TO, FROM)
        .ipv4([10, 0, 0, 2], [10, 0, 0, 1], 64)
        .icmpv4(unreachable);
    builder.write(&mut frame, quoted).expect("a packet");
    assert_eq!(
        told(&frame),
        "10.0.0.2 > 10.0.0.1 ICMP port unreachable about 10.0.0.1:4000 > 10.0.0.2:53 UDP"
    );
}

#[test]
fn what_is_cut_off_is_left_out_and_the_rest_is_told() {
    let mut frame = Vec::new();
    let builder = PacketBuilder::ethernet2(FROM, TO)
        .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .tcp(4000, 443, 17, 100);
    builder.write(&mut frame, &[7; 500]).expect("a packet");
    for length in 0..frame.len() {
        let headers = Headers::of(&frame[..length], frame.len() as u32);
        assert_eq!(headers.length as usize, frame.len());
        let flow = headers.flow();
        assert_eq!(flow.is_some(), length >= 14 + 20, "{length}");
        let port = flow.and_then(|flow| flow.to_port);
        assert_eq!(port.is_some(), length >= 14 + 20 + 4, "{length}");
    }
    let whole = Headers::of(&frame[..80], frame.len() as u32).to_string();
    assert!(whole.ends_with("length 500"), "{whole}");
}
