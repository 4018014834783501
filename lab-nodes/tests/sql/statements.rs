//! Transact-SQL, as far as it is served.

use lab_nodes::sql_client::{Pool, Value};

use crate::server::start;

async fn value(pool: &Pool, sql: &str) -> Value {
    let rows = pool
        .query(None, sql, &[])
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    rows.first()
        .and_then(|row| row.at(0))
        .cloned()
        .unwrap_or(Value::Null)
}

#[tokio::test]
async fn expressions_are_what_they_are_elsewhere() {
    let server = start();
    let pool = server.pool("content");
    let text = |text: &str| Value::Text(text.into());
    for (sql, wanted) in [
        ("SELECT 1", Value::Int(1)),
        ("SELECT 1.5", Value::Float(1.5)),
        ("SELECT N'a' + 'b'", text("ab")),
        ("SELECT LEN('ab  ')", Value::Int(2)),
        ("SELECT LEFT('abc', 2) + RIGHT('xyz', 1)", text("abz")),
        ("SELECT CHARINDEX('C', 'abc')", Value::Int(3)),
        ("SELECT ISNULL(NULL, 'x')", text("x")),
        ("SELECT CAST('12' AS INT) + 1", Value::Int(13)),
        ("SELECT CONVERT(nvarchar(10), 12)", text("12")),
        (
            "SELECT DATEDIFF(day, '2013-10-01', '2013-10-09 23:00')",
            Value::Int(8),
        ),
        (
            "SELECT DATEADD(month, 1, '2013-01-31')",
            text("2013-02-28 00:00:00.0000000"),
        ),
        ("SELECT YEAR('2013-10-09')", Value::Int(2013)),
        ("SELECT DB_NAME()", text("content")),
        ("SELECT SUSER_SNAME()", text("farm")),
        ("SELECT @@TRANCOUNT", Value::Int(0)),
        ("SELECT CASE WHEN 1 = 1 THEN 'y' ELSE 'n' END", text("y")),
        (
            "DECLARE @a INT = 4 SET @a = @a * 2 SELECT @a",
            Value::Int(8),
        ),
        (
            "IF EXISTS (SELECT 1 FROM sys.tables WHERE name = 'x') SELECT 1 ELSE SELECT 2",
            Value::Int(2),
        ),
        ("SELECT COUNT(*) FROM sys.databases", Value::Int(3)),
        ("SELECT NULL", Value::Null),
        ("SELECT 0xFF00", Value::Bytes(vec![255, 0])),
    ] {
        assert_eq!(value(&pool, sql).await, wanted, "{sql}");
    }
    let Value::Text(id) = value(&pool, "SELECT NEWID()").await else {
        panic!("no id")
    };
    assert_eq!(id.len(), 36);
    let Value::Text(version) = value(&pool, "SELECT @@VERSION").await else {
        panic!("none")
    };
    assert!(
        version.starts_with("Microsoft SQL Server 2012"),
        "{version}"
    );
    let Value::Text(now) = value(&pool, "SELECT GETDATE()").await else {
        panic!("no time")
    };
    assert!(now.starts_with("20"), "{now}");
}

#[tokio::test]
async fn errors_have_their_numbers() {
    let server = start();
    let pool = server.pool("content");
    pool.batch(
        None,
        "CREATE TABLE p (Id INT PRIMARY KEY, Name NVARCHAR(5) NOT NULL, Age INT CHECK (Age > 0)) \
         CREATE TABLE c (P INT REFERENCES p (Id)) INSERT p VALUES (1, 'a', 1)",
    )
    .await
    .unwrap();
    for (sql, number) in [
        ("SELECT * FROM nosuch", 208),
        ("SELECT nosuch FROM p", 207),
        ("SELECT [nosuch] FROM p", 207),
        ("SELEC 1", 102),
        ("SELECT FROM WHERE", 102),
        ("PRAGMA journal_mode", 102),
        ("ATTACH 'x' AS y", 102),
        ("SELECT load_extension('x')", 229),
        ("SELECT nosuch(1)", 195),
        ("INSERT p VALUES (1, 'b', 1)", 2627),
        ("INSERT p VALUES (2, NULL, 1)", 515),
        ("INSERT p VALUES (2, 'b', 0)", 547),
        ("INSERT p VALUES (2, 'toolong', 1)", 8152),
        ("INSERT p VALUES ('x', 'b', 1)", 245),
        ("INSERT c VALUES (9)", 547),
        ("CREATE TABLE p (a INT)", 2714),
        ("SELECT @nosuch", 137),
        ("SELECT CAST('x' AS INT)", 245),
        ("SELECT YEAR('x')", 241),
        ("EXEC xp_cmdshell 'id'", 2812),
        ("USE nosuch", 911),
        ("COMMIT", 3902),
        ("ROLLBACK TRAN", 3903),
        ("SELECT 'x", 105),
        ("RAISERROR('no', 16, 1)", 50000),
    ] {
        let error = pool.batch(None, sql).await.expect_err(sql);
        assert_eq!(error.number(), Some(number), "{sql}: {error}");
    }
    // A row that is refused does not end the batch.
    let left = pool
        .batch(
            None,
            "INSERT p VALUES (1, 'b', 1) INSERT p VALUES (3, 'c', 1)",
        )
        .await;
    assert!(left.is_err());
    assert_eq!(value(&pool, "SELECT COUNT(*) FROM p").await, Value::Int(2));
}
