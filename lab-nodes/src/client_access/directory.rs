use crate::login::Way;

/// A virtual directory of the front end's web site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VirtualDirectory {
    /// `/Autodiscover`.
    Autodiscover,
    /// `/ecp`, the control panel.
    ControlPanel,
    /// `/EWS`.
    WebServices,
    /// `/Microsoft-Server-ActiveSync`.
    ActiveSync,
    /// `/OAB`.
    OfflineAddressBook,
    /// `/owa`.
    WebApp,
    /// `/PowerShell`.
    PowerShell,
    /// `/rpc`, Outlook Anywhere.
    OutlookAnywhere,
}

/// How a request comes into a virtual directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entrance {
    /// By a login of HTTP, one of these.
    Http(&'static [Way]),
    /// By the logon page, or by one of these where the client sends it unasked.
    Forms(&'static [Way]),
    /// The message itself carries the proof (WS-Security).
    Message,
}

const ALL: [VirtualDirectory; 8] = [
    VirtualDirectory::Autodiscover,
    VirtualDirectory::ControlPanel,
    VirtualDirectory::WebServices,
    VirtualDirectory::ActiveSync,
    VirtualDirectory::OfflineAddressBook,
    VirtualDirectory::WebApp,
    VirtualDirectory::PowerShell,
    VirtualDirectory::OutlookAnywhere,
];

impl VirtualDirectory {
    /// Its first segment, as it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Autodiscover => "Autodiscover",
            Self::ControlPanel => "ecp",
            Self::WebServices => "EWS",
            Self::ActiveSync => "Microsoft-Server-ActiveSync",
            Self::OfflineAddressBook => "OAB",
            Self::WebApp => "owa",
            Self::PowerShell => "PowerShell",
            Self::OutlookAnywhere => "rpc",
        }
    }

    /// That of a path, without regard to case. None for any other path, and for one that servers
    /// could read in two ways: with dot segments, backslashes, or anything encoded in what decides.
    pub fn of(path: &str) -> Option<Self> {
        let first = segments(path)?.next()?;
        ALL.into_iter()
            .find(|directory| directory.name().eq_ignore_ascii_case(first))
    }

    /// How a request for this path comes in; the path lies in this directory.
    pub fn entrance(self, path: &str) -> Entrance {
        match self {
            Self::Autodiscover | Self::WebServices if is_message_door(path) => Entrance::Message,
            Self::Autodiscover | Self::WebServices | Self::OutlookAnywhere => {
                Entrance::Http(&[Way::Negotiate, Way::Ntlm, Way::Basic])
            }
            Self::ActiveSync => Entrance::Http(&[Way::Basic]),
            Self::OfflineAddressBook => Entrance::Http(&[Way::Negotiate, Way::Ntlm]),
            Self::PowerShell => Entrance::Http(&[Way::Negotiate]),
            Self::WebApp | Self::ControlPanel => Entrance::Forms(&[Way::Negotiate]),
        }
    }
}

/// Whether the path is that of a file in the directory with `/WSSecurity` behind it, as
/// `/EWS/Exchange.asmx/WSSecurity`, and nothing more.
fn is_message_door(path: &str) -> bool {
    let Some(mut segments) = segments(path) else {
        return false;
    };
    let file = segments.nth(1);
    file.is_some_and(|file| !file.is_empty())
        && segments
            .next()
            .is_some_and(|last| last.eq_ignore_ascii_case("WSSecurity"))
        && segments.next().is_none()
}

fn segments(path: &str) -> Option<std::str::Split<'_, char>> {
    let path = path.strip_prefix('/')?;
    let lower = path.to_ascii_lowercase();
    // Other letters may be encoded: items are named in later segments.
    let unclear = path.contains(['\\', '\0'])
        || ["%2f", "%5c", "%2e", "%00", "%25"]
            .iter()
            .any(|code| lower.contains(code));
    let dots = path.split('/').any(|part| matches!(part, "." | ".."));
    (!unclear && !dots).then(|| path.split('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n5_each_virtual_directory_is_found_in_any_case() {
        for directory in ALL {
            for path in [
                format!("/{}", directory.name()),
                format!("/{}/x", directory.name().to_ascii_uppercase()),
                format!("/{}/a%20b", directory.name().to_ascii_lowercase()),
            ] {
                assert_eq!(VirtualDirectory::of(&path), Some(directory), "{path}");
            }
        }
    }

    #[test]
    fn a_path_with_two_readings_lies_nowhere() {
        for path in [
            "",
            "owa",
            "/",
            "/owa2",
            "//owa",
            "/%6fwa",
            "/owa/../ecp",
            "/owa/%2e%2E/ecp",
            "/owa%2fx",
            "/owa\\x",
            "/owa/%5cx",
            "/owa/%252e",
        ] {
            assert_eq!(VirtualDirectory::of(path), None, "{path}");
        }
    }

    #[test]
    fn only_the_doors_by_name_ask_for_no_login() {
        let message = |path: &str| {
            let directory = VirtualDirectory::of(path).expect("a virtual directory");
            directory.entrance(path) == Entrance::Message
        };
        assert!(message("/EWS/Exchange.asmx/WSSecurity"));
        assert!(message("/autodiscover/autodiscover.svc/wssecurity"));
        for path in [
            "/EWS/Exchange.asmx",
            "/EWS/WSSecurity",
            "/EWS//WSSecurity",
            "/EWS/Exchange.asmx/WSSecurity/x",
            "/EWS/Exchange.asmx/WSSecurity2",
            "/owa/x/WSSecurity",
            "/PowerShell/x/WSSecurity",
        ] {
            assert!(!message(path), "{path}");
        }
    }
}
