//! Comparisons of numbers computed from a packet: `tcp[tcpflags] & tcp-syn != 0`.

use super::condition::{Base, Comparison, Kind, Operator, Size, Value};
use super::parse::{Parser, WrongFilter, wrong};
use super::protocol::{self, CONSTANTS, Protocol};
use super::words::Token;

impl Parser<'_> {
    /// `tcp[13] & 2 != 0`; none where no comparison stands here.
    pub(super) fn relation(&mut self) -> Result<Option<Kind>, WrongFilter> {
        let Some((left, mut needs)) = self.sum(0)? else {
            return Ok(None);
        };
        let Some(Token::Sign(sign)) = self.peek() else {
            return Ok(None);
        };
        let (comparison, negated) = match *sign {
            "==" => (Comparison::Equal, false),
            "!=" => (Comparison::Equal, true),
            ">" => (Comparison::Above, false),
            ">=" => (Comparison::AtLeast, false),
            "<" => (Comparison::AtLeast, true),
            "<=" => (Comparison::Above, true),
            _ => return Ok(None),
        };
        self.at += 1;
        let Some((right, more)) = self.sum(0)? else {
            return wrong(format!("behind `{sign}` a number is missing"));
        };
        needs.extend(more);
        let compared = Kind::Compare(left, comparison, right);
        let compared = if negated { compared.not() } else { compared };
        Ok(Some(
            needs
                .into_iter()
                .reduce(Kind::and)
                .unwrap_or(Kind::Always)
                .and(compared),
        ))
    }

    /// A number computed from the packet, with what must hold for it to be there; none where no
    /// number begins.
    fn sum(&mut self, level: usize) -> Result<Option<(Value, Vec<Kind>)>, WrongFilter> {
        /// From what binds least to what binds most.
        const LEVELS: [&[(&str, Operator)]; 5] = [
            &[("|", Operator::Or), ("^", Operator::ExclusiveOr)],
            &[("&", Operator::And)],
            &[("<<", Operator::ShiftLeft), (">>", Operator::ShiftRight)],
            &[("+", Operator::Add), ("-", Operator::Subtract)],
            &[
                ("*", Operator::Multiply),
                ("/", Operator::Divide),
                ("%", Operator::Modulo),
            ],
        ];
        let Some(operators) = LEVELS.get(level) else {
            return self.number();
        };
        let Some((mut value, mut needs)) = self.sum(level + 1)? else {
            return Ok(None);
        };
        loop {
            let found = operators
                .iter()
                .find(|(sign, _)| self.take_sign(sign))
                .map(|(_, operator)| *operator);
            let Some(operator) = found else {
                return Ok(Some((value, needs)));
            };
            let Some((right, more)) = self.sum(level + 1)? else {
                return Ok(None);
            };
            let never = match operator {
                Operator::Divide | Operator::Modulo => right == Value::Number(0),
                Operator::ShiftLeft | Operator::ShiftRight => {
                    matches!(right, Value::Number(32..))
                }
                _ => false,
            };
            if never {
                return wrong("it divides by zero, or shifts by more than 31 bits");
            }
            needs.extend(more);
            value = Value::Binary(operator, Box::new(value), Box::new(right));
        }
    }

    fn number(&mut self) -> Result<Option<(Value, Vec<Kind>)>, WrongFilter> {
        if self.take_sign("-") {
            let inner = self.deeper(Self::number)?;
            let zero = Box::new(Value::Number(0));
            return Ok(inner.map(|(value, needs)| {
                let value = Value::Binary(Operator::Subtract, zero, Box::new(value));
                (value, needs)
            }));
        }
        if self.take_sign("(") {
            let inner = self.deeper(|parser| parser.sum(0))?;
            return Ok(inner.filter(|_| self.take_sign(")")));
        }
        let Some(word) = self.word() else {
            return Ok(None);
        };
        if let Some(number) = number(word) {
            self.at += 1;
            return Ok(Some((Value::Number(number), Vec::new())));
        }
        if let Some((_, value)) = CONSTANTS.iter().find(|(name, _)| *name == word) {
            self.at += 1;
            return Ok(Some((Value::Number(*value), Vec::new())));
        }
        if word == "len" || word == "length" {
            self.at += 1;
            return Ok(Some((Value::Length, Vec::new())));
        }
        let bracket = matches!(self.tokens.get(self.at + 1), Some(Token::Sign("[")));
        let Some(protocol) = Protocol::named(word).filter(|_| bracket) else {
            return Ok(None);
        };
        self.at += 2;
        self.deeper(|parser| parser.access(word, protocol))
            .map(Some)
    }

    /// What stands in brackets: offset, and perhaps a size.
    fn access(
        &mut self,
        name: &str,
        protocol: Protocol,
    ) -> Result<(Value, Vec<Kind>), WrongFilter> {
        let Some((at, mut needs)) = self.sum(0)? else {
            return wrong(format!("`{name}[` wants the place of a byte: `{name}[0]`"));
        };
        let size = if self.take_sign(":") {
            let size = self.word().and_then(number);
            self.at += 1;
            match size {
                Some(1) => Size::Byte,
                Some(2) => Size::Half,
                Some(4) => Size::Word,
                _ => return wrong(format!("of `{name}[…]` 1, 2 or 4 bytes can be read")),
            }
        } else {
            Size::Byte
        };
        if !self.take_sign("]") {
            return wrong(format!("a `]` is missing behind `{name}[`"));
        }
        if matches!(at, Value::Number(0x1_0000..)) {
            return wrong(format!(
                "no packet has so many bytes as `{name}[…]` asks for"
            ));
        }
        let base = match protocol {
            Protocol::Ether => Base::Frame(0),
            Protocol::Ip | Protocol::Ip6 | Protocol::Arp | Protocol::Rarp => Base::Frame(14),
            Protocol::Carried(58) => Base::Frame(54),
            Protocol::Carried(_) => Base::Payload,
        };
        // A frame of another protocol has something else at that place.
        needs.extend(match protocol {
            Protocol::Ether => Vec::new(),
            Protocol::Carried(58) => vec![protocol.condition()],
            Protocol::Carried(number) => {
                vec![protocol::ip_carries(number), protocol::first_fragment()]
            }
            _ => vec![protocol.condition()],
        });
        Ok((Value::Load(base, size, Box::new(at)), needs))
    }
}

/// A number: decimal, `0x` hexadecimal, or octal with a zero before it.
pub(super) fn number(word: &str) -> Option<u32> {
    if let Some(digits) = word.strip_prefix("0x").or(word.strip_prefix("0X")) {
        return u32::from_str_radix(digits, 16).ok();
    }
    if !word.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match word.strip_prefix('0') {
        Some(digits) if !digits.is_empty() => u32::from_str_radix(digits, 8).ok(),
        _ => word.parse().ok(),
    }
}
