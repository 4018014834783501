//! Conditions → classic BPF (linux/filter.h).

use super::condition::{Base, Comparison, Condition, Field, Kind, Operator, Size, Value};
use crate::kernel::packet::{Instruction, MAX_INSTRUCTIONS};

const LD: u16 = 0x00;
const LDX: u16 = 0x01;
const ST: u16 = 0x02;
const ALU: u16 = 0x04;
const JMP: u16 = 0x05;
const RET: u16 = 0x06;
const TAX: u16 = 0x07;
const IMM: u16 = 0x00;
const ABS: u16 = 0x20;
const IND: u16 = 0x40;
const MEM: u16 = 0x60;
const LEN: u16 = 0x80;
/// Four times the lower half of a byte: the length of an IPv4 header.
const MSH: u16 = 0xa0;
const X: u16 = 0x08;
const AND: u16 = 0x50;
const JA: u16 = 0x00;
const JEQ: u16 = 0x10;
const JGT: u16 = 0x20;
const JGE: u16 = 0x30;
const JSET: u16 = 0x40;
/// From here on an offset means what the kernel knows about the packet (SKF_AD_OFF).
const ANCILLARY: u32 = 0xffff_f000;
/// Bytes of an Ethernet header.
const ETHERNET: u32 = 14;
/// Words of scratch memory (BPF_MEMWORDS).
const MEMORY: u32 = 16;

/// A filter has more to do than the kernel allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the filter is too long: the kernel takes {MAX_INSTRUCTIONS} instructions and 16 numbers at a time"
)]
pub struct TooLong;

/// The program that keeps the first `snaplen` bytes of the packets that fit a condition.
///
/// # Errors
/// The condition is too long.
pub fn program(condition: &Condition, snaplen: u32) -> Result<Vec<Instruction>, TooLong> {
    let mut assembler = Assembler::default();
    let (yes, no) = (assembler.label(), assembler.label());
    assembler.condition(&condition.0, yes, no)?;
    assembler.steps.push(Step::Mark(yes));
    assembler.run(RET, snaplen);
    assembler.steps.push(Step::Mark(no));
    assembler.run(RET, 0);
    let program = assembler.resolve();
    if program.len() > MAX_INSTRUCTIONS {
        return Err(TooLong);
    }
    Ok(program)
}

type Label = usize;

enum Step {
    Run(u16, u32),
    Branch {
        code: u16,
        value: u32,
        yes: Label,
        no: Label,
    },
    /// What has this label comes next.
    Mark(Label),
}

#[derive(Default)]
struct Assembler {
    steps: Vec<Step>,
    labels: usize,
}

impl Assembler {
    fn label(&mut self) -> Label {
        self.labels += 1;
        self.labels - 1
    }

    fn run(&mut self, code: u16, value: u32) {
        self.steps.push(Step::Run(code, value));
    }

    fn branch(&mut self, code: u16, value: u32, yes: Label, no: Label) {
        self.steps.push(Step::Branch {
            code: JMP | code,
            value,
            yes,
            no,
        });
    }

    fn condition(&mut self, condition: &Kind, yes: Label, no: Label) -> Result<(), TooLong> {
        if self.steps.len() > 4 * MAX_INSTRUCTIONS {
            return Err(TooLong);
        }
        match condition {
            // A leap to the one place, whatever is in A.
            Kind::Always => self.branch(JGE, 0, yes, yes),
            Kind::Not(inner) => self.condition(inner, no, yes)?,
            Kind::And(first, second) => {
                let next = self.label();
                self.condition(first, next, no)?;
                self.steps.push(Step::Mark(next));
                self.condition(second, yes, no)?;
            }
            Kind::Or(first, second) => {
                let next = self.label();
                self.condition(first, yes, next)?;
                self.steps.push(Step::Mark(next));
                self.condition(second, yes, no)?;
            }
            Kind::Field {
                field,
                mask,
                comparison,
                value,
            } => {
                self.load(*field);
                if let Some(mask) = mask {
                    self.run(ALU | AND, *mask);
                }
                self.branch(jump(*comparison), *value, yes, no);
            }
            Kind::Compare(left, comparison, Value::Number(right)) => {
                self.value(left, 0)?;
                self.branch(jump(*comparison), *right, yes, no);
            }
            Kind::Compare(left, comparison, right) => {
                self.value(right, 0)?;
                self.run(ST, 0);
                self.value(left, 1)?;
                self.run(LDX | MEM, 0);
                self.branch(jump(*comparison) | X, 0, yes, no);
            }
        }
        Ok(())
    }

    fn load(&mut self, field: Field) {
        match field {
            Field::Frame(size, at) => self.run(LD | ABS | width(size), at),
            Field::Payload(size, at) => {
                self.run(LDX | MSH | width(Size::Byte), ETHERNET);
                self.run(LD | IND | width(size), ETHERNET + at);
            }
            Field::Length => self.run(LD | LEN, 0),
            Field::Kind => self.run(LD | ABS, ANCILLARY + 4),
            Field::Interface => self.run(LD | ABS, ANCILLARY + 8),
            Field::VlanTag => self.run(LD | ABS, ANCILLARY + 44),
            Field::VlanPresent => self.run(LD | ABS, ANCILLARY + 48),
        }
    }

    /// Computes a value into A; `free` is the first word of memory that nobody uses.
    fn value(&mut self, value: &Value, free: u32) -> Result<(), TooLong> {
        if free >= MEMORY || self.steps.len() > 4 * MAX_INSTRUCTIONS {
            return Err(TooLong);
        }
        match value {
            Value::Number(number) => self.run(LD | IMM, *number),
            Value::Length => self.run(LD | LEN, 0),
            Value::Load(base, size, at) => {
                self.value(at, free)?;
                match base {
                    Base::Frame(start) => {
                        self.run(TAX, 0);
                        self.run(LD | IND | width(*size), *start);
                    }
                    Base::Payload => {
                        self.run(LDX | MSH | width(Size::Byte), ETHERNET);
                        self.run(ALU | X, 0);
                        self.run(TAX, 0);
                        self.run(LD | IND | width(*size), ETHERNET);
                    }
                }
            }
            Value::Binary(operator, left, right) => {
                if let Value::Number(number) = **right {
                    self.value(left, free)?;
                    self.run(ALU | operation(*operator), number);
                } else {
                    self.value(right, free)?;
                    self.run(ST, free);
                    self.value(left, free + 1)?;
                    self.run(LDX | MEM, free);
                    self.run(ALU | X | operation(*operator), 0);
                }
            }
        }
        Ok(())
    }

    /// A branch reaches 255 instructions; one that must reach further leaps twice.
    fn resolve(self) -> Vec<Instruction> {
        let mut far = vec![false; self.steps.len()];
        loop {
            let mut at = Vec::with_capacity(self.steps.len());
            let mut labels = vec![0; self.labels];
            let mut next = 0;
            for (step, far) in self.steps.iter().zip(&far) {
                at.push(next);
                match step {
                    Step::Run(..) => next += 1,
                    Step::Branch { .. } => next += if *far { 3 } else { 1 },
                    Step::Mark(label) => labels[*label] = next,
                }
            }
            let too_far = |place: usize, yes: Label, no: Label| {
                [yes, no]
                    .iter()
                    .any(|label| labels[*label] - place - 1 > 255)
            };
            let mut grown = false;
            for (index, step) in self.steps.iter().enumerate() {
                if let Step::Branch { yes, no, .. } = step
                    && !far[index]
                    && too_far(at[index], *yes, *no)
                {
                    far[index] = true;
                    grown = true;
                }
            }
            if !grown {
                return self.emit(&far, &at, &labels);
            }
        }
    }

    fn emit(&self, far: &[bool], at: &[usize], labels: &[usize]) -> Vec<Instruction> {
        let instruction = |code, yes: usize, no: usize, value| Instruction {
            code,
            yes: yes as u8,
            no: no as u8,
            value,
        };
        let mut program = Vec::new();
        for ((step, far), at) in self.steps.iter().zip(far).zip(at) {
            match *step {
                Step::Run(code, value) => program.push(instruction(code, 0, 0, value)),
                Step::Branch {
                    code,
                    value,
                    yes,
                    no,
                } => {
                    let (yes, no) = (labels[yes] - at - 1, labels[no] - at - 1);
                    if *far {
                        program.push(instruction(code, 0, 1, value));
                        program.push(instruction(JMP | JA, 0, 0, (yes - 1) as u32));
                        program.push(instruction(JMP | JA, 0, 0, (no - 2) as u32));
                    } else {
                        program.push(instruction(code, yes, no, value));
                    }
                }
                Step::Mark(_) => {}
            }
        }
        program
    }
}

fn width(size: Size) -> u16 {
    match size {
        Size::Word => 0x00,
        Size::Half => 0x08,
        Size::Byte => 0x10,
    }
}

fn jump(comparison: Comparison) -> u16 {
    match comparison {
        Comparison::Equal => JEQ,
        Comparison::Above => JGT,
        Comparison::AtLeast => JGE,
        Comparison::Bits => JSET,
    }
}

fn operation(operator: Operator) -> u16 {
    match operator {
        Operator::Add => 0x00,
        Operator::Subtract => 0x10,
        Operator::Multiply => 0x20,
        Operator::Divide => 0x30,
        Operator::Or => 0x40,
        Operator::And => AND,
        Operator::ShiftLeft => 0x60,
        Operator::ShiftRight => 0x70,
        Operator::Modulo => 0x90,
        Operator::ExclusiveOr => 0xa0,
    }
}
