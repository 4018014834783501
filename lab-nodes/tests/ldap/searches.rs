//! What is found, by OpenLDAP's tools.

use crate::stage::{BASE, PASSWORD, Stage, settings};

#[tokio::test]
async fn the_root_entry_is_everybodys_and_nothing_else_is() {
    let mut stage = Stage::new().await;
    let url = stage.url();
    let root = ["-LLL", "-x", "-H", &url, "-b", "", "-s", "base"];
    let found = stage.good("ldapsearch", &root).await;
    for line in [
        "namingContexts: DC=corp,DC=example,DC=com",
        "defaultNamingContext: DC=corp,DC=example,DC=com",
        "supportedLDAPVersion: 3",
        "supportedSASLMechanisms: GSSAPI",
        "supportedSASLMechanisms: GSS-SPNEGO",
        "supportedControl: 1.2.840.113556.1.4.319",
        "supportedExtension: 1.3.6.1.4.1.1466.20037",
        "supportedCapabilities: 1.2.840.113556.1.4.800",
        "dnsHostName: dc1.corp.example.com",
        "ldapServiceName: corp.example.com:dc1$@CORP.EXAMPLE.COM",
        "domainFunctionality: 6",
    ] {
        assert!(found.lines().any(|own| own == line), "{line} in {found}");
    }
    assert_eq!(stage.served().await.1, "success, 1 entries");
    let output = stage
        .run("ldapsearch", &["-x", "-H", &url, "-b", BASE, "(cn=*)"], "")
        .await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("a successful bind must be completed"),
        "{said}"
    );
}

#[tokio::test]
async fn a_user_has_the_attributes_that_products_read() {
    let stage = Stage::new().await;
    let found = stage.search(&["(sAMAccountName=alice)"]).await;
    for line in [
        "dn: CN=Alice Adams,CN=Users,DC=corp,DC=example,DC=com",
        "objectClass: top",
        "objectClass: user",
        "cn: Alice Adams",
        "givenName: Alice",
        "sn: Adams",
        "displayName: Alice Adams",
        "userPrincipalName: alice@corp.example.com",
        "mail: alice@example.com",
        "proxyAddresses: SMTP:alice@example.com",
        "msRTCSIP-PrimaryUserAddress: sip:alice@example.com",
        "memberOf: CN=employees,CN=Users,DC=corp,DC=example,DC=com",
        "primaryGroupID: 513",
        "userAccountControl: 66048",
        "objectCategory: CN=Person,CN=Schema,CN=Configuration,DC=corp,DC=example,DC=com",
    ] {
        assert!(found.lines().any(|own| own == line), "{line} in {found}");
    }
    assert!(found.contains("objectSid:: AQUAAAAAAAUVAAAA"), "{found}");
    assert!(
        found.contains("objectGUID:: ") && found.contains("homeMDB: CN="),
        "{found}"
    );
    assert!(
        !found.contains("tokenGroups") && !found.contains(PASSWORD),
        "{found}"
    );
}

#[tokio::test]
async fn filters_find_what_they_say() {
    let stage = Stage::new().await;
    let names = |found: &str| -> Vec<String> {
        let names = found
            .lines()
            .filter_map(|line| line.strip_prefix("sAMAccountName: "));
        let mut names: Vec<String> = names.map(str::to_owned).collect();
        names.sort();
        names
    };
    let people = "(objectCategory=person)";
    for (filter, wanted) in [
        ("(cn=alice ADAMS)", &["alice"][..]),
        ("(&(objectClass=user)(mail=bob@*))", &["bob"]),
        ("(displayName=*the*baker*)", &["bob"]),
        ("(|(cn=Alice*)(sn=Expired))", &["alice", "ed"]),
        (
            "(&(objectCategory=person)(!(memberOf=*))(mail=*))",
            &["dora", "ed", "pia"],
        ),
        (
            "(memberOf=cn=EMPLOYEES,cn=users,dc=corp,dc=example,dc=com)",
            &["alice", "bob"],
        ),
        (
            "(memberOf:1.2.840.113556.1.4.1941:=CN=bakers,CN=Users,DC=corp,DC=example,DC=com)",
            &["bob"],
        ),
        (
            "(&(objectClass=user)(userAccountControl:1.2.840.113556.1.4.803:=2))",
            &["dora"],
        ),
        (
            "(userAccountControl:1.2.840.113556.1.4.804:=4098)",
            &["WEB1$", "dora"],
        ),
        ("(pwdLastSet<=0)", &["pia"]),
        (
            "(&(primaryGroupID>=515)(objectClass=computer))",
            &["DC1$", "WEB1$"],
        ),
        ("(servicePrincipalName=ldap/127.0.0.1)", &["svc-directory"]),
        ("(anr=ali)", &["alice"]),
        ("(anr==Alice Adams)", &["alice"]),
        ("(cn=Bob, the \\22Baker\\22)", &["bob"]),
        ("(&)", &["alice"]),
        ("(noSuchAttribute=x)", &[]),
        ("(!(noSuchAttribute=x))", &[]),
        ("(samaccountname=nobody)", &[]),
        ("(1.2.840.113556.1.4.221=alice)", &["alice"]),
    ] {
        let found = names(&stage.search(&[filter, "sAMAccountName"]).await);
        if filter == "(&)" {
            assert!(found.len() > 9, "{found:?}");
        } else {
            assert_eq!(found, wanted, "{filter}");
        }
    }
    let all = names(&stage.search(&[people, "sAMAccountName"]).await);
    assert_eq!(all, ["alice", "bob", "dora", "ed", "pia", "svc-directory"]);
}

#[tokio::test]
async fn scopes_attributes_and_limits_hold() {
    let stage = Stage::new().await;
    let count = |found: &str| {
        found
            .lines()
            .filter(|line| line.starts_with("dn: "))
            .count()
    };
    let base = stage
        .search(&["-s", "base", "(objectClass=*)", "1.1"])
        .await;
    assert_eq!(base, "dn: DC=corp,DC=example,DC=com\n\n");
    let below = stage.search(&["-s", "one", "(objectClass=*)", "1.1"]).await;
    assert_eq!(count(&below), 4, "{below}");
    let types = stage
        .search(&["-A", "(cn=Alice Adams)", "mail", "cn"])
        .await;
    assert!(
        types.contains("mail:\n") && types.contains("cn:\n"),
        "{types}"
    );
    let computed = stage.search(&["(cn=Alice Adams)", "+"]).await;
    assert!(
        computed.contains("canonicalName: corp.example.com/Users/Alice Adams"),
        "{computed}"
    );
    assert!(
        computed.contains("tokenGroups:: ") && !computed.contains("mail:"),
        "{computed}"
    );
    let range = stage.search(&["(cn=employees)", "member;range=1-*"]).await;
    assert!(range.contains("member;range=1-*: CN=Bob"), "{range}");
    let sid = stage
        .search(&[
            "-b",
            "<WKGUID=A9D1CA15768811D1ADED00C04FD8D5CD,DC=corp,DC=example,DC=com>",
            "-s",
            "base",
            "(cn=*)",
            "cn",
        ])
        .await;
    assert!(sid.contains("dn: CN=Users,DC=corp"), "{sid}");
    let url = stage.url();
    let bound = ["-x", "-H", &url, "-D", "EXAMPLE\\alice", "-w", PASSWORD];
    let (code, _) = stage
        .bad(
            "ldapsearch",
            &[&bound[..], &["-b", BASE, "-z", "2"]].concat(),
        )
        .await;
    assert_eq!(code, 4);
    let missing = ["-b", "CN=Nobody,CN=Users,DC=corp,DC=example,DC=com"];
    let output = stage
        .run("ldapsearch", &[&bound[..], &missing].concat(), "")
        .await;
    assert_eq!(output.status.code(), Some(32));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("matchedDN: CN=Users,DC=corp,DC=example,DC=com"),
        "{said}"
    );
    let (code, _) = stage
        .bad("ldapsearch", &[&bound[..], &["-b", "no name"]].concat())
        .await;
    assert_eq!(code, 34);
}

#[tokio::test]
async fn pages_and_order_are_as_asked() {
    let stage = Stage::new().await;
    let names = |found: &str| -> Vec<String> {
        let lines = found
            .lines()
            .filter_map(|line| line.strip_prefix("sAMAccountName: "));
        lines.map(str::to_owned).collect()
    };
    let filter = "(&(objectCategory=person)(mail=*))";
    let whole = names(&stage.search(&[filter, "sAMAccountName"]).await);
    assert_eq!(whole.len(), 5);
    for size in ["1", "2", "5", "50"] {
        let pages = format!("pr={size}/noprompt");
        let paged = stage
            .search(&["-E", &pages, filter, "sAMAccountName"])
            .await;
        assert_eq!(names(&paged), whole, "{size}");
    }
    let sorted = stage
        .search(&["-E", "!sss=-sAMAccountName", filter, "sAMAccountName"])
        .await;
    assert_eq!(names(&sorted), ["pia", "ed", "dora", "bob", "alice"]);
    let both = stage
        .search(&[
            "-E",
            "!sss=sn",
            "-E",
            "!pr=2/noprompt",
            filter,
            "sAMAccountName",
        ])
        .await;
    // His family name begins with a quotation mark.
    assert_eq!(names(&both), ["bob", "alice", "dora", "ed", "pia"]);
    let url = stage.url();
    let unknown = [
        "-x",
        "-H",
        &url,
        "-D",
        "EXAMPLE\\alice",
        "-w",
        PASSWORD,
        "-b",
        BASE,
        "-E",
        "!1.2.3.4",
        filter,
    ];
    let (code, complaint) = stage.bad("ldapsearch", &unknown).await;
    assert_eq!(code, 12, "{complaint}");
}

#[tokio::test]
async fn the_schema_and_the_partitions_are_there() {
    let stage = Stage::new().await;
    let schema = "CN=Aggregate,CN=Schema,CN=Configuration,DC=corp,DC=example,DC=com";
    let found = stage
        .search(&[
            "-b",
            schema,
            "-s",
            "base",
            "(objectClass=subschema)",
            "attributeTypes",
            "objectClasses",
        ])
        .await;
    assert!(found.contains("attributeTypes: ( 1.2.840.113556.1.4.221 NAME 'sAMAccountName' SYNTAX '1.3.6.1.4.1.1466.115.121.1.15' SINGLE-VALUE )"), "{found}");
    assert!(found.contains("objectClasses: ( 1.2.840.113556.1.5.9 NAME 'user' SUP organizationalPerson STRUCTURAL MAY ("), "{found}");
    let partitions = "CN=Partitions,CN=Configuration,DC=corp,DC=example,DC=com";
    let found = stage
        .search(&[
            "-b",
            partitions,
            "(nETBIOSName=EXAMPLE)",
            "nCName",
            "dnsRoot",
        ])
        .await;
    assert!(
        found.contains("nCName: DC=corp,DC=example,DC=com\ndnsRoot: corp.example.com\n"),
        "{found}"
    );
}

#[tokio::test]
async fn the_directory_is_read_only_and_compares() {
    let stage = Stage::new().await;
    let url = stage.url();
    let bound = ["-x", "-H", &url, "-D", "EXAMPLE\\alice", "-w", PASSWORD];
    let own = "CN=Alice Adams,CN=Users,DC=corp,DC=example,DC=com";
    let change = format!("dn: {own}\nchangetype: modify\nreplace: mail\nmail: x@example.com\n");
    let output = stage.run("ldapmodify", &bound, &change).await;
    assert_eq!(output.status.code(), Some(50));
    let entry = "dn: CN=New,DC=corp,DC=example,DC=com\nobjectClass: container\n";
    let output = stage.run("ldapadd", &bound, entry).await;
    assert_eq!(output.status.code(), Some(50));
    let (code, _) = stage
        .bad("ldapdelete", &[&bound[..], &[own]].concat())
        .await;
    assert_eq!(code, 50);
    let (code, _) = stage
        .bad("ldapmodrdn", &[&bound[..], &[own, "CN=Other"]].concat())
        .await;
    assert_eq!(code, 50);
    for (assertion, code) in [
        ("mail:ALICE@example.com", 6),
        ("mail:x", 5),
        ("homeDirectory:x", 16),
    ] {
        let output = stage
            .run("ldapcompare", &[&bound[..], &[own, assertion]].concat(), "")
            .await;
        assert_eq!(output.status.code(), Some(code), "{assertion}");
    }
}

#[tokio::test]
async fn people_who_come_later_are_found_without_a_restart() {
    let stage = Stage::new().await;
    assert!(!stage.search(&["(cn=Zoe*)"]).await.contains("Zoe"));
    let mut changed = settings();
    let mut zoe = changed.accounts[0].clone();
    zoe.person.account = "zoe".into();
    zoe.person.name = "Zoe Zimmer".into();
    zoe.person.rid = 1020;
    changed.accounts.push(zoe);
    stage
        .settings
        .send_replace(serde_json::to_value(&changed).unwrap());
    let wait = async {
        while !stage
            .search(&["(cn=Zoe*)"])
            .await
            .contains("dn: CN=Zoe Zimmer")
        {}
    };
    tokio::time::timeout(crate::stage::LIMIT, wait)
        .await
        .expect("she is found");
}
