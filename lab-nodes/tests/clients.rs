//! The built-in clients, against servers that say what they are told to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use lab_core::scenario::client::{Answer, Ask, Errand, HttpAsk, HttpLogin, SmtpAsk};

/// A server on loopback that has one conversation after the other; gives its port.
fn serve(
    times: usize,
    talk: impl Fn(usize, TcpStream) -> String + Send + 'static,
) -> (u16, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let thread = std::thread::spawn(move || {
        (0..times)
            .map(|number| talk(number, listener.accept().expect("a client").0))
            .collect()
    });
    (port, thread)
}

/// Reads a request and gives it; then answers.
fn answer(mut stream: TcpStream, text: &str) -> String {
    let mut request = String::new();
    let mut reader = BufReader::new(stream.try_clone().expect("a socket"));
    while !request.ends_with("\r\n\r\n") {
        if reader.read_line(&mut request).expect("a line") == 0 {
            break;
        }
    }
    let length = request
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().expect("a number"));
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    request.push_str(&String::from_utf8_lossy(&body));
    stream.write_all(text.as_bytes()).expect("sent");
    request
}

fn run(ask: Ask, times: u32) -> Vec<Answer> {
    let errand = Errand {
        ask,
        times,
        limit: 5_000,
    };
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(lab_nodes::client::run(errand))
}

fn http(url: String) -> HttpAsk {
    HttpAsk {
        url,
        method: "GET".into(),
        ..HttpAsk::default()
    }
}

#[test]
fn a_browser_follows_keeps_cookies_and_gives_a_password_to_whom_it_was_meant_for() {
    let (other, second) = serve(1, |_, stream| {
        answer(stream, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nthere")
    });
    let (port, first) = serve(2, move |number, stream| {
        let location = match number {
            0 => "/next".to_owned(),
            _ => format!("http://localhost:{other}/"),
        };
        let head = "HTTP/1.1 302 Found\r\nset-cookie: seen=yes; Path=/\r\ncontent-length: 0\r\n";
        answer(stream, &format!("{head}location: {location}\r\n\r\n"))
    });
    let ask = HttpAsk {
        follow: true,
        method: "POST".into(),
        body: Some("x=1".into()),
        login: Some(HttpLogin {
            account: "alice".into(),
            password: "Passw0rd!".into(),
            ..HttpLogin::default()
        }),
        ..http(format!("http://127.0.0.1:{port}/"))
    };
    let answers = run(Ask::Http(ask), 1);
    assert_eq!(answers[0].failure, None);
    assert_eq!(
        (answers[0].status, answers[0].text.as_str()),
        (Some(200), "there")
    );
    assert_eq!(answers[0].cookies.len(), 1);
    let requests = first.join().expect("the server");
    // RFC 7617 §2: base64 of `alice:Passw0rd!`.
    let login = "authorization: Basic YWxpY2U6UGFzc3cwcmQh";
    assert!(
        requests[0].starts_with("POST / ") && requests[0].ends_with("x=1"),
        "{requests:?}"
    );
    assert!(requests[0].contains(login), "{requests:?}");
    assert!(
        requests[1].starts_with("GET /next ") && requests[1].contains("cookie: seen=yes"),
        "{requests:?}"
    );
    let elsewhere = &second.join().expect("the server")[0];
    assert!(
        !elsewhere.contains("authorization") && !elsewhere.contains("cookie"),
        "{elsewhere}"
    );
}

#[test]
fn each_time_has_a_connection_of_its_own_and_the_cookies_of_the_one_before() {
    let (port, server) = serve(3, |number, stream| {
        let head =
            format!("HTTP/1.1 200 OK\r\nset-cookie: n={number}\r\ncontent-length: 0\r\n\r\n");
        answer(stream, &head)
    });
    let answers = run(Ask::Http(http(format!("http://127.0.0.1:{port}/"))), 3);
    assert!(
        answers.iter().all(|answer| answer.status == Some(200)),
        "{answers:?}"
    );
    let requests = server.join().expect("the server");
    assert!(!requests[0].contains("cookie"), "{requests:?}");
    assert!(requests[2].contains("cookie: n=1"), "{requests:?}");
}

#[test]
fn what_is_no_answer_has_a_reason() {
    let why = |ask: Ask| run(ask, 1)[0].failure.clone().expect("a failure").0;
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address").port()
    };
    assert_eq!(why(Ask::Tcp(format!("127.0.0.1:{closed}"))), "refused");
    assert_eq!(why(Ask::Tcp("name.invalid:80".into())), "name");
    let (port, server) = serve(1, |_, stream| answer(stream, "What do you want?\r\n"));
    assert_eq!(
        why(Ask::Http(http(format!("http://127.0.0.1:{port}/")))),
        "protocol"
    );
    server.join().expect("the server");
    let errand = Errand {
        ask: Ask::Http(http("http://127.0.0.1:1/".into())),
        times: 1,
        limit: 5_000,
    };
    let again: Errand =
        serde_json::from_str(&serde_json::to_string(&errand).expect("JSON")).expect("the same");
    assert_eq!(again, errand);
    // A server that says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let errand = Errand {
        ask: Ask::Http(http(format!("http://127.0.0.1:{port}/"))),
        times: 1,
        limit: 200,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let answers = runtime.block_on(lab_nodes::client::run(errand));
    assert_eq!(answers[0].failure.clone().expect("a failure").0, "timeout");
}

/// Answers each line of a client by what it begins with.
fn post_office(stream: TcpStream, refuse: &str) -> String {
    let mut said = String::new();
    let mut reader = BufReader::new(stream.try_clone().expect("a socket"));
    let mut writer = stream;
    let mut send = |text: &str| {
        writer
            .write_all(format!("{text}\r\n").as_bytes())
            .expect("sent")
    };
    send("220 mail.example ready");
    let mut in_data = false;
    let mut line = String::new();
    while reader.read_line(&mut line).expect("a line") > 0 {
        said.push_str(&line);
        let text = line.trim_end().to_owned();
        line.clear();
        match text.as_str() {
            "." if in_data => {
                in_data = false;
                send("250 2.0.0 queued");
            }
            _ if in_data => {}
            "DATA" => {
                in_data = true;
                send("354 go on");
            }
            "QUIT" => {
                send("221 bye");
                break;
            }
            text if text.starts_with("EHLO") => send("250-mail.example\r\n250 SIZE 1000"),
            text if !refuse.is_empty() && text.starts_with(refuse) => send("550 5.7.1 not you"),
            _ => send("250 2.1.0 ok"),
        }
    }
    said
}

#[test]
fn a_message_is_handed_over_with_its_dots_doubled() {
    let (port, server) = serve(1, |_, stream| post_office(stream, ""));
    let ask = SmtpAsk {
        server: format!("127.0.0.1:{port}"),
        from: Some("pat@fabrikam.com".into()),
        to: vec!["alice@contoso.com".into()],
        data: Some("Subject: x\n\n.hidden\nend".into()),
        starttls: false,
    };
    let answers = run(Ask::Smtp(ask), 1);
    assert_eq!(answers[0].status, Some(250), "{answers:?}");
    assert!(answers[0].text.contains("250 2.0.0 queued"), "{answers:?}");
    let said = &server.join().expect("the server")[0];
    assert!(
        said.contains("MAIL FROM:<pat@fabrikam.com>\r\nRCPT TO:<alice@contoso.com>\r\nDATA\r\n"),
        "{said}"
    );
    assert!(said.contains("\r\n..hidden\r\nend\r\n.\r\n"), "{said}");
}

#[test]
fn a_refused_recipient_ends_the_conversation_and_is_the_answer() {
    let (port, server) = serve(1, |_, stream| post_office(stream, "RCPT"));
    let ask = SmtpAsk {
        server: format!("127.0.0.1:{port}"),
        from: Some("spam@example.com".into()),
        to: vec!["alice@contoso.com".into()],
        data: Some("x".into()),
        starttls: false,
    };
    let answers = run(Ask::Smtp(ask), 1);
    assert_eq!((answers[0].status, &answers[0].failure), (Some(550), &None));
    assert!(answers[0].text.contains("not you"), "{answers:?}");
    assert!(!server.join().expect("the server")[0].contains("DATA"));
}
