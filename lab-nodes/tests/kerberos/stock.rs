//! kinit, klist, kvno.

use crate::stage::{Client, LOCKED_AFTER, PASSWORD, long_host, start};

#[tokio::test]
async fn kinit_gets_a_ticket_and_kvno_one_for_a_service() {
    for (etypes, cipher) in [
        ("", "aes256-cts-hmac-sha1-96"),
        ("aes128-cts-hmac-sha1-96", "aes128-cts-hmac-sha1-96"),
        ("aes256-sha2", "aes256-cts-hmac-sha384-192"),
        ("aes128-sha2", "aes128-cts-hmac-sha256-128"),
    ] {
        for way in ["udp_preference_limit = 1465", "udp_preference_limit = 1"] {
            let mut dc = start().await;
            let limit = match etypes {
                "" => String::new(),
                etypes => format!("permitted_enctypes = {etypes}\n"),
            };
            let client = Client::new(dc.at, &format!("{limit} {way}"));
            client.kinit("alice", PASSWORD).await.ok();
            assert_eq!(
                dc.login().await,
                (
                    "alice".into(),
                    true,
                    format!("a ticket for krbtgt/CORP.CONTOSO.COM, by password, {cipher}")
                )
            );
            client
                .sh("kvno HTTP/localhost", "")
                .await
                .ok()
                .says("kvno = 1");
            assert_eq!(
                dc.login().await,
                (
                    "alice".into(),
                    true,
                    format!("a ticket for HTTP/localhost, by ticket, {cipher}")
                )
            );
            let list = client.sh("klist -ef", "").await.ok();
            list.says("Default principal: alice@CORP.CONTOSO.COM")
                .says("krbtgt/CORP.CONTOSO.COM@CORP.CONTOSO.COM")
                .says("HTTP/localhost@CORP.CONTOSO.COM")
                .says(&format!("Etype (skey, tkt): {cipher}"));
        }
    }
}

#[tokio::test]
async fn an_answer_without_room_in_a_datagram_comes_over_tcp() {
    let dc = start().await;
    let client = Client::new(dc.at, "udp_preference_limit = 32000");
    client.kinit("alice", PASSWORD).await.ok();
    let trace = format!("KRB5_TRACE=/dev/stdout kvno HTTP/{}", long_host());
    client
        .sh(&trace, "")
        .await
        .ok()
        .says("Request or response is too big for UDP; retrying with TCP")
        .says("kvno = 1");
}

#[tokio::test]
async fn names_are_found_in_any_case_and_as_addresses() {
    let dc = start().await;
    let client = Client::new(dc.at, "");
    client.kinit("Alice", PASSWORD).await.ok();
    client.kinit("-C ALICE", PASSWORD).await.ok();
    client
        .sh("klist", "")
        .await
        .says("Default principal: alice@CORP.CONTOSO.COM");
    client.kinit("-E alice@contoso.com", PASSWORD).await.ok();
    client
        .sh("klist", "")
        .await
        .says("Default principal: alice@CORP.CONTOSO.COM");
    client.sh("kvno http/LOCALHOST", "").await.ok();
    client.sh("kvno -C HTTP/Localhost", "").await.ok();
    client.sh("kvno svc-web", "").await.ok();
}

#[tokio::test]
async fn a_ticket_is_renewed_and_passed_on_as_far_as_it_may_be() {
    let dc = start().await;
    let client = Client::new(dc.at, "");
    client.kinit("-l 1h -r 2d -f alice", PASSWORD).await.ok();
    client.sh("klist -f", "").await.says("Flags: FRIA");
    client.kinit("-R", "").await.ok();
    client.sh("klist -f", "").await.says("renew until");
    client.kinit("-l 1h alice", PASSWORD).await.ok();
    client
        .kinit("-R", "")
        .await
        .fails()
        .says("KDC can't fulfill requested option");
    // A ticket of a few seconds is soon over, and nothing is given for it.
    client.kinit("-l 2s alice", PASSWORD).await.ok();
    let over = "n=0; while klist -s; do n=$((n + 1)); [ $n -lt 100 ] || exit 1; sleep 0.1; done";
    client.sh(over, "").await.ok();
    client
        .sh("kvno HTTP/localhost", "")
        .await
        .fails()
        .says("Ticket expired");
}

#[tokio::test]
async fn what_is_wrong_is_told_in_the_words_of_the_protocol() {
    let mut dc = start().await;
    let client = Client::new(dc.at, "");
    client
        .kinit("alice", "wrong")
        .await
        .fails()
        .says("Password incorrect");
    assert_eq!(
        dc.login().await,
        ("alice".into(), false, "the password is wrong".into())
    );
    for (account, answer) in [
        (
            "nobody",
            "Client 'nobody@CORP.CONTOSO.COM' not found in Kerberos database",
        ),
        ("gone", "Client's credentials have been revoked"),
        ("late", "Client's credentials have been revoked"),
    ] {
        client.kinit(account, PASSWORD).await.fails().says(answer);
    }
    // kinit goes on to where passwords are changed, which is nowhere.
    client
        .sh("KRB5_TRACE=/dev/stdout kinit stale", PASSWORD)
        .await
        .fails()
        .says("Password has expired");
    client.kinit("alice", PASSWORD).await.ok();
    client
        .sh("kvno HTTP/elsewhere.contoso.com", "")
        .await
        .fails()
        .says("not found in Kerberos database");
    client
        .sh("kvno bob", "")
        .await
        .fails()
        .says("user2user only");
    client
        .kinit("alice -S HTTP/elsewhere.contoso.com", PASSWORD)
        .await
        .fails()
        .says("Server not found in Kerberos database");
    let old = Client::new(
        dc.at,
        "allow_weak_crypto = true\n allow_rc4 = true\n default_tkt_enctypes = arcfour-hmac\n permitted_enctypes = arcfour-hmac",
    );
    old.kinit("alice", PASSWORD)
        .await
        .fails()
        .says("KDC has no support for encryption type");
}

#[tokio::test]
async fn wrong_passwords_lock_an_account_and_a_right_one_forgets_them() {
    let dc = start().await;
    let client = Client::new(dc.at, "");
    for _ in 1..LOCKED_AFTER {
        client.kinit("bob", "wrong").await.fails();
    }
    client.kinit("bob", PASSWORD).await.ok();
    for _ in 0..LOCKED_AFTER {
        client
            .kinit("bob", "wrong")
            .await
            .fails()
            .says("Password incorrect");
    }
    for password in ["wrong", PASSWORD] {
        client
            .kinit("bob", password)
            .await
            .fails()
            .says("Client's credentials have been revoked");
    }
    // What bob holds stays good, and others are not concerned.
    client.sh("kvno HTTP/localhost", "").await.ok();
    client.kinit("alice", PASSWORD).await.ok();
}

#[tokio::test]
async fn further_accounts_are_taken_while_it_runs() {
    let dc = start().await;
    let client = Client::new(dc.at, "");
    client.kinit("carol", PASSWORD).await.fails();
    for _ in 0..LOCKED_AFTER {
        client.kinit("bob", "wrong").await.fails();
    }
    dc.settings.send_modify(|settings| {
        let mut carol = settings["accounts"][0].clone();
        carol["person"]["account"] = "carol".into();
        settings["accounts"].as_array_mut().unwrap().push(carol);
    });
    client.kinit("carol", PASSWORD).await.ok();
    // Who was locked stays so.
    client.kinit("bob", PASSWORD).await.fails();
}
