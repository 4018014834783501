//! Partners and their identity providers, where a scenario cannot say it.

use crate::support::{Host, source};

pub const BREAKS: &[super::Looks] = &[(
    "x8_an_expired_token_is_refused_and_one_from_the_future_too",
    expired,
)];

/// Gets a token with the form of the login page, and brings it to SharePoint.
const SIGN_IN: &str = r#"
cd "$(mktemp -d)"
curl -sS -o page --data-urlencode UserName=pat@fabrikam.com --data-urlencode 'Password=Passw0rd!' \
    'https://idp.fabrikam.com/adfs/ls/?wa=wsignin1.0&wtrealm=urn:sharepoint:partnerweb'
tr '<' '\n' < page | sed -n 's/^input type="hidden" name="wresult" value="\([^"]*\)">.*/\1/p' |
    sed "s/&lt;/</g; s/&gt;/>/g; s/&quot;/\"/g; s/&#39;/'/g; s/&amp;/\&/g" | tr -d '\n' > wresult
curl -sS -w '%{http_code}' -d wa=wsignin1.0 --data-urlencode wresult@wresult https://partnerweb.contoso.com/_trust/
"#;

/// The clock of the identity provider goes wrong while the lab is up.
fn expired(host: &Host) {
    host.sh("partner-pc", SIGN_IN).ok().says("302");
    for name in ["acl.yaml", "dns.yaml", "directory.yaml", "lab.yaml"] {
        let text = std::fs::read_to_string(source().join("scenarios/contoso").join(name));
        host.folder.write(name, &text.expect("a file of contoso"));
    }
    let lab = host.folder.0.join("lab.yaml");
    let text = std::fs::read_to_string(&lab).expect("the lab");
    for (error, why) in [
        (-7200, "the token expired at "),
        (7200, "the token is not valid before "),
    ] {
        let wrong = format!("title: Fabrikam\n        clock-error: {error}\n");
        let changed = text.replace("title: Fabrikam\n", &wrong);
        assert_ne!(changed, text);
        host.folder.write("lab.yaml", &changed);
        host.lab(&["apply", lab.to_str().expect("a path")]).ok();
        host.sh("partner-pc", SIGN_IN).ok().says(why).says("403");
    }
    host.folder.write("lab.yaml", &text);
    host.lab(&["apply", lab.to_str().expect("a path")]).ok();
    host.sh("partner-pc", SIGN_IN).ok().says("302");
}
