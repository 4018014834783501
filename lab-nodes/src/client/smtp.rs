//! SMTP (RFC 5321) as a client that sends one message, or only looks.

use lab_core::scenario::client::{Answer, LONGEST_TEXT, SeenCertificate, SmtpAsk};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

use super::connect::{self, Trouble};

/// Longest line of a reply, in bytes (RFC 5321 §4.5.3.1.5 has 512).
const LONGEST_LINE: u64 = 4096;
/// Most lines of a reply.
const MOST_LINES: usize = 100;

/// Has the conversation; a refusal ends it and is the answer.
pub async fn ask(ask: &SmtpAsk) -> Answer {
    match talk(ask).await {
        Ok(answer) => answer,
        Err(trouble) => trouble.into(),
    }
}

async fn talk(ask: &SmtpAsk) -> Result<Answer, Trouble> {
    let place = match ask.server.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => ask.server.clone(),
        _ => format!("{}:25", ask.server),
    };
    let host = place
        .rsplit_once(':')
        .map_or(place.as_str(), |(host, _)| host);
    let stream = connect::to(&place).await?;
    let mut talk = Talk::new(stream);
    let mut code = talk.reply().await?;
    if code < 400 {
        code = talk.say("EHLO client.invalid").await?;
    }
    if code >= 400 || !ask.starttls {
        return envelope(talk, ask, code, None).await;
    }
    let code = talk.say("STARTTLS").await?;
    if code != 220 {
        return Ok(talk.answer(code, None));
    }
    let said = talk.said;
    let (stream, certificate) = connect::tls(talk.stream.into_inner(), host).await?;
    let mut talk = Talk::new(stream);
    talk.said = said;
    let code = talk.say("EHLO client.invalid").await?;
    envelope(talk, ask, code, certificate).await
}

async fn envelope<S>(
    mut talk: Talk<S>,
    ask: &SmtpAsk,
    greeted: u16,
    certificate: Option<SeenCertificate>,
) -> Result<Answer, Trouble>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut commands = Vec::new();
    if let Some(from) = &ask.from {
        commands.push(format!("MAIL FROM:<{from}>"));
        commands.extend(ask.to.iter().map(|to| format!("RCPT TO:<{to}>")));
        commands.extend(ask.data.as_ref().map(|_| "DATA".to_owned()));
    }
    let mut code = greeted;
    for command in commands {
        if code >= 400 {
            return Ok(talk.answer(code, certificate));
        }
        code = talk.say(&command).await?;
    }
    if let (354, Some(data)) = (code, &ask.data) {
        code = talk.send(data).await?;
    }
    if code < 400 {
        // The answer is what came of the message; whether it says goodbye is no matter.
        let _ = talk.say("QUIT").await;
    }
    Ok(talk.answer(code, certificate))
}

struct Talk<S> {
    stream: BufReader<S>,
    said: String,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<S> {
    fn new(stream: S) -> Self {
        Self {
            stream: BufReader::new(stream),
            said: String::new(),
        }
    }

    fn answer(self, code: u16, certificate: Option<SeenCertificate>) -> Answer {
        Answer {
            status: Some(code),
            cut: self.said.len() >= LONGEST_TEXT,
            text: self.said,
            certificate,
            ..Answer::default()
        }
    }

    async fn say(&mut self, command: &str) -> Result<u16, Trouble> {
        self.note(command);
        self.write(&format!("{command}\r\n")).await?;
        self.reply().await
    }

    /// The message, its lines ended and its dots doubled (RFC 5321 §4.5.2).
    async fn send(&mut self, data: &str) -> Result<u16, Trouble> {
        let mut text = String::new();
        for line in data.lines() {
            if line.starts_with('.') {
                text.push('.');
            }
            text.push_str(line);
            text.push_str("\r\n");
        }
        self.write(&format!("{text}.\r\n")).await?;
        self.reply().await
    }

    async fn write(&mut self, text: &str) -> Result<(), Trouble> {
        let sent = async {
            self.stream.write_all(text.as_bytes()).await?;
            self.stream.flush().await
        };
        sent.await
            .map_err(|error| Trouble::of(&error, "the connection broke"))
    }

    async fn reply(&mut self) -> Result<u16, Trouble> {
        for _ in 0..MOST_LINES {
            let mut line = Vec::new();
            (&mut self.stream)
                .take(LONGEST_LINE)
                .read_until(b'\n', &mut line)
                .await
                .map_err(|error| Trouble::of(&error, "the connection broke"))?;
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if line.is_empty() {
                return Err(Trouble::protocol("the server hung up"));
            }
            self.note(&text);
            let code = text.get(..3).and_then(|code| code.parse::<u16>().ok());
            match (code, text.as_bytes().get(3)) {
                (Some(_), Some(b'-')) => {}
                (Some(code @ 200..=599), _) => return Ok(code),
                _ => return Err(Trouble::protocol(format!("`{text}` is no reply of SMTP"))),
            }
        }
        Err(Trouble::protocol("a reply without end"))
    }

    fn note(&mut self, line: &str) {
        if self.said.len() < LONGEST_TEXT {
            self.said.push_str(line);
            self.said.push('\n');
        }
    }
}
