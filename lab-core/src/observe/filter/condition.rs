//! What a filter asks of a packet.

/// How many bytes are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    Byte,
    Half,
    Word,
}

/// What is read of a packet. Where it ends before, the whole filter refuses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// At so many bytes from the frame's beginning.
    Frame(Size, u32),
    /// At so many bytes behind the IPv4 header.
    Payload(Size, u32),
    /// The frame's length.
    Length,
    /// The index of the interface.
    Interface,
    /// Kind of packet: 4 goes out.
    Kind,
    /// Tag control information of the VLAN that the kernel took out.
    VlanTag,
    /// 1 where it took one out.
    VlanPresent,
}

/// How two values compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Above,
    AtLeast,
    /// They have a bit in common.
    Bits,
}

/// What is done with two numbers, modulo 2³².
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    And,
    Or,
    ExclusiveOr,
    ShiftLeft,
    ShiftRight,
}

/// Where an offset counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    Frame(u32),
    Payload,
}

/// A number computed from a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Number(u32),
    Length,
    Load(Base, Size, Box<Value>),
    Binary(Operator, Box<Value>, Box<Value>),
}

/// What a filter asks of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition(pub(super) Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Always,
    And(Box<Kind>, Box<Kind>),
    Or(Box<Kind>, Box<Kind>),
    Not(Box<Kind>),
    Field {
        field: Field,
        mask: Option<u32>,
        comparison: Comparison,
        value: u32,
    },
    Compare(Value, Comparison, Value),
}

impl Condition {
    /// Every packet.
    pub fn always() -> Self {
        Self(Kind::Always)
    }

    /// Both.
    pub fn and(self, other: Self) -> Self {
        Self(self.0.and(other.0))
    }

    /// Either.
    pub fn or(self, other: Self) -> Self {
        Self(self.0.or(other.0))
    }

    /// The packet passes this interface.
    pub fn interface(index: u32) -> Self {
        Self(Kind::is(Field::Interface, index))
    }

    /// It passes an interface of this number or a higher one.
    pub fn interface_from(index: u32) -> Self {
        Self(Kind::Field {
            field: Field::Interface,
            mask: None,
            comparison: Comparison::AtLeast,
            value: index,
        })
    }

    /// The interface has received it, not sent it.
    pub fn received() -> Self {
        Self(Kind::sent().not())
    }
}

impl Kind {
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Kind::Always, kind) | (kind, Kind::Always) => kind,
            (a, b) => Kind::And(Box::new(a), Box::new(b)),
        }
    }

    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Kind::Always, _) | (_, Kind::Always) => Kind::Always,
            (a, b) => Kind::Or(Box::new(a), Box::new(b)),
        }
    }

    pub fn not(self) -> Self {
        Kind::Not(Box::new(self))
    }

    pub fn is(field: Field, value: u32) -> Self {
        Kind::Field {
            field,
            mask: None,
            comparison: Comparison::Equal,
            value,
        }
    }

    pub fn masked(field: Field, mask: u32, value: u32) -> Self {
        if mask == 0 {
            return Kind::Always;
        }
        let mask = (mask != u32::MAX).then_some(mask);
        Kind::Field {
            field,
            mask,
            comparison: Comparison::Equal,
            value,
        }
    }

    pub fn within(field: Field, from: u32, to: u32) -> Self {
        let test = |comparison, value| Kind::Field {
            field,
            mask: None,
            comparison,
            value,
        };
        test(Comparison::AtLeast, from).and(test(Comparison::Above, to).not())
    }

    /// PACKET_OUTGOING.
    pub fn sent() -> Self {
        Kind::is(Field::Kind, 4)
    }
}
