//! Filters of system calls, as classic BPF (seccomp(2)).
//!
//! Written by hand because a deny list needs what a library's rule set does not have: an errno per
//! call (`ENOSYS` makes programs fall back, `EPERM` makes them tell), the x32 numbers of x86-64,
//! and an answer to foreign architectures that is not death.
#![allow(unsafe_code)]

use std::io;

use nix::libc;

/// What a call answers instead of being made.
pub type Errno = i32;

/// One refusal. The first that fits a call holds.
#[derive(Clone, Copy, Debug)]
pub enum Refuse {
    /// Every use of this call.
    Call(libc::c_long, Errno),
    /// Its use with any of these bits in this argument (0 to 5).
    Bits(libc::c_long, u8, u32, Errno),
    /// Its use with this value (32 bits) in this argument.
    Value(libc::c_long, u8, u32, Errno),
    /// Its use with a value (32 bits) in this argument that is not in the list.
    NoneOf(libc::c_long, u8, &'static [u32], Errno),
    /// Its use without any of these bits in this argument.
    Without(libc::c_long, u8, u32, Errno),
}

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;

/// Numbers from here on are those of x32, a second table of x86-64.
#[cfg(target_arch = "x86_64")]
const X32: u32 = 0x4000_0000;

const NUMBER: u32 = 0;
const ARCH: u32 = 4;

/// The low half of an argument: both architectures are little-endian.
fn argument(index: u8) -> u32 {
    16 + 8 * u32::from(index)
}

fn load(offset: u32) -> libc::sock_filter {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset, 0, 0)
}

fn jump(test: u32, value: u32, yes: usize, no: usize) -> libc::sock_filter {
    instruction(libc::BPF_JMP | test | libc::BPF_K, value, yes, no)
}

fn answer(value: u32) -> libc::sock_filter {
    instruction(libc::BPF_RET | libc::BPF_K, value, 0, 0)
}

fn fail(errno: Errno) -> libc::sock_filter {
    answer(libc::SECCOMP_RET_ERRNO | (errno.unsigned_abs() & libc::SECCOMP_RET_DATA))
}

fn instruction(code: u32, k: u32, yes: usize, no: usize) -> libc::sock_filter {
    libc::sock_filter {
        code: code as u16,
        jt: yes as u8,
        jf: no as u8,
        k,
    }
}

/// The program of a list of refusals; what none of them fits is allowed. Calls of other
/// architectures do not exist (`ENOSYS`).
fn compile(refusals: &[Refuse]) -> Vec<libc::sock_filter> {
    let mut program = vec![
        load(ARCH),
        jump(libc::BPF_JEQ, ARCHITECTURE, 1, 0),
        fail(libc::ENOSYS),
        load(NUMBER),
    ];
    #[cfg(target_arch = "x86_64")]
    program.extend([jump(libc::BPF_JGE, X32, 0, 1), fail(libc::ENOSYS)]);
    for refusal in refusals {
        let (number, tests, errno) = match *refusal {
            Refuse::Call(number, errno) => (number, vec![], errno),
            Refuse::Bits(number, index, bits, errno) => (
                number,
                vec![load(argument(index)), jump(libc::BPF_JSET, bits, 0, 1)],
                errno,
            ),
            Refuse::Without(number, index, bits, errno) => (
                number,
                vec![load(argument(index)), jump(libc::BPF_JSET, bits, 1, 0)],
                errno,
            ),
            Refuse::Value(number, index, value, errno) => (
                number,
                vec![load(argument(index)), jump(libc::BPF_JEQ, value, 0, 1)],
                errno,
            ),
            Refuse::NoneOf(number, index, values, errno) => {
                let mut tests = vec![load(argument(index))];
                for (place, value) in values.iter().enumerate() {
                    // Over the further tests and the refusal.
                    tests.push(jump(libc::BPF_JEQ, *value, values.len() - place, 0));
                }
                (number, tests, errno)
            }
        };
        // The number comes back for the next refusal where the argument took its place.
        let reload = usize::from(!tests.is_empty());
        program.push(jump(
            libc::BPF_JEQ,
            number as u32,
            0,
            tests.len() + 1 + reload,
        ));
        program.extend(tests);
        program.push(fail(errno));
        if reload == 1 {
            program.push(load(NUMBER));
        }
    }
    program.push(answer(libc::SECCOMP_RET_ALLOW));
    program
}

/// From now on this process and all it starts are refused these calls. Needs `no_new_privs`.
///
/// # Errors
/// What seccomp(2) says: the kernel has no filters.
pub fn refuse(refusals: &[Refuse]) -> io::Result<()> {
    let mut program = compile(refusals);
    let filter = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(io::Error::other)?,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the program outlives the call, which copies it.
    match unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &filter) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a program as the kernel would: a call of this architecture and its arguments.
    fn run(program: &[libc::sock_filter], arch: u32, number: u32, arguments: [u32; 6]) -> u32 {
        let (mut at, mut value) = (0, 0);
        loop {
            let step = program[at];
            at += 1;
            let jump = |yes: bool| usize::from(if yes { step.jt } else { step.jf });
            match u32::from(step.code) {
                code if code == libc::BPF_LD | libc::BPF_W | libc::BPF_ABS => {
                    value = match step.k {
                        NUMBER => number,
                        ARCH => arch,
                        offset => arguments[(offset as usize - 16) / 8],
                    }
                }
                code if code == libc::BPF_RET => return step.k,
                code if code & 0xf0 == libc::BPF_JEQ => at += jump(value == step.k),
                code if code & 0xf0 == libc::BPF_JGE => at += jump(value >= step.k),
                code if code & 0xf0 == libc::BPF_JSET => at += jump(value & step.k != 0),
                code => panic!("no such instruction: {code:#x}"),
            }
        }
    }

    #[test]
    fn each_refusal_holds_for_what_it_names_and_nothing_else() {
        let program = compile(&[
            Refuse::Call(1, 38),
            Refuse::Bits(2, 0, 0x10, 1),
            Refuse::Value(3, 1, 7, 1),
            Refuse::NoneOf(4, 0, &[1, 2, 10], 97),
            Refuse::Without(5, 0, 0x100, 1),
        ]);
        let error = |errno| libc::SECCOMP_RET_ERRNO | errno;
        let allow = libc::SECCOMP_RET_ALLOW;
        let ask = |number, arguments| run(&program, ARCHITECTURE, number, arguments);
        for (number, argument, expected) in [
            (0, [0, 0], allow),
            (1, [0, 0], error(38)),
            (2, [0, 0x10], allow),
            (2, [0x30, 0], error(1)),
            (3, [7, 0], allow),
            (3, [0, 7], error(1)),
            (4, [1, 0], allow),
            (4, [10, 0], allow),
            (4, [40, 0], error(97)),
            (5, [0x100, 0], allow),
            (5, [0x10, 0], error(1)),
            (6, [0x10, 7], allow),
        ] {
            let arguments = [argument[0], argument[1], 0, 0, 0, 0];
            assert_eq!(ask(number, arguments), expected, "{number} {argument:?}");
        }
        assert_eq!(run(&program, 0x4000_0003, 6, [0; 6]), error(38), "i386");
        #[cfg(target_arch = "x86_64")]
        assert_eq!(ask(X32 | 6, [0; 6]), error(38), "x32");
    }
}
