//! What LDAP asks of those who keep the accounts.

use crate::directory::Person;

/// Keeps the accounts.
pub trait Accounts: Send + Sync + 'static {
    /// Who this account is, if this is its password; counts a wrong one.
    ///
    /// # Errors
    /// Why the client is not let in.
    fn check_password(&self, account: &str, password: &[u8]) -> Result<Person, Refusal>;

    /// How logging in to an account went lately.
    fn state(&self, account: &str) -> State;
}

/// Why somebody is not let in ([MS-ADTS] §3.1.1.3.1.3 has the numbers in its diagnostic messages).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such account.
    Unknown,
    /// It is not its password.
    WrongPassword,
    /// Its password has expired.
    PasswordExpired,
    /// It is disabled.
    Disabled,
    /// It has expired.
    Expired,
    /// It is locked out.
    LockedOut,
}

impl Refusal {
    /// The Win32 error of it.
    pub fn data(self) -> u32 {
        match self {
            Self::Unknown => 0x525,
            Self::WrongPassword => 0x52e,
            Self::PasswordExpired => 0x532,
            Self::Disabled => 0x533,
            Self::Expired => 0x701,
            Self::LockedOut => 0x775,
        }
    }

    /// Why, for those who watch.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Unknown => "no such account",
            Self::WrongPassword => "wrong password",
            Self::PasswordExpired => "the password has expired",
            Self::Disabled => "the account is disabled",
            Self::Expired => "the account has expired",
            Self::LockedOut => "the account is locked out",
        }
    }
}

/// How logging in to an account went lately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Wrong passwords since the last right one.
    pub bad_passwords: u32,
    /// When the last wrong one came, in 100 ns since 1601; 0: never.
    pub last_bad: u64,
    /// Since when it is locked out, in 100 ns since 1601; 0: it is not.
    pub locked: u64,
}
