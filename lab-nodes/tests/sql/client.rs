//! Our tiers' client.

use lab_core::service::Secret;
use lab_nodes::sql_client::{SqlError, Value};

use crate::server::{Folder, start, start_in};

fn number(error: SqlError) -> Option<u32> {
    error.number()
}

#[tokio::test]
async fn what_was_stored_is_read_back() {
    let server = start();
    let pool = server.pool("content");
    pool.batch(
        None,
        "CREATE TABLE dbo.Items (Id INT IDENTITY(1,1) PRIMARY KEY, Name NVARCHAR(20) NOT NULL UNIQUE, \
         Body VARBINARY(MAX), Size BIGINT, At DATETIME2)",
    )
    .await
    .unwrap();
    let body: Vec<u8> = (0..200_000_u32).map(|n| n as u8).collect();
    let sql = "INSERT INTO Items (Name, Body, Size, At) OUTPUT INSERTED.Id \
               VALUES (@p1, @p2, @p3, '2013-10-09 12:30:00')";
    let values = [
        Value::Text("Zoë – 5 €".into()),
        Value::Bytes(body.clone()),
        Value::Int(i64::MAX),
    ];
    let rows = pool.query(None, sql, &values).await.unwrap();
    assert_eq!(rows[0].int("Id"), Some(1));
    let rows = pool
        .query(None, "SELECT * FROM Items WHERE name = @p1", &values[..1])
        .await
        .unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].text("NAME"), Some("Zoë – 5 €"));
    assert_eq!(rows[0].bytes("Body"), Some(&body[..]));
    assert_eq!(rows[0].int("Size"), Some(i64::MAX));
    assert_eq!(rows[0].text("At"), Some("2013-10-09 12:30:00.0000000"));
    let changed = pool
        .execute(None, "UPDATE Items SET Body = @p1", &[Value::Null])
        .await
        .unwrap();
    assert_eq!(changed, 1);
    let again = pool.execute(None, sql, &values).await.unwrap_err();
    assert!(again.is_duplicate(), "{again}");
    let long = Value::Text("x".repeat(21));
    let cut = pool
        .execute(None, sql, &[long, Value::Null, Value::Null])
        .await;
    assert_eq!(cut.map_err(number), Err(Some(8152)));
}

#[tokio::test]
async fn many_rows_come_in_their_order() {
    let server = start();
    let pool = server.pool("content");
    pool.batch(None, "CREATE TABLE t (a INT, b NVARCHAR(MAX))")
        .await
        .unwrap();
    let mut transaction = pool.transaction(None).await.unwrap();
    for n in 0..2000 {
        let values = [Value::Int(n), Value::Text("text ".repeat(20))];
        transaction
            .execute("INSERT INTO t VALUES (@p1, @p2)", &values)
            .await
            .unwrap();
    }
    transaction.commit().await.unwrap();
    let rows = pool
        .query(None, "SELECT a, b FROM t ORDER BY a", &[])
        .await
        .unwrap();
    let found: Vec<i64> = rows.iter().filter_map(|row| row.int("a")).collect();
    assert_eq!(found, (0..2000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_transaction_that_is_dropped_changes_nothing() {
    let server = start();
    let pool = server.pool("content");
    pool.batch(None, "CREATE TABLE t (a INT)").await.unwrap();
    let mut transaction = pool.transaction(None).await.unwrap();
    transaction
        .execute("INSERT INTO t VALUES (1)", &[])
        .await
        .unwrap();
    // Others see what was committed, and do not wait.
    let count = "SELECT COUNT(*) AS n FROM t";
    let rows = pool.query(None, count, &[]).await.unwrap();
    assert_eq!(rows[0].int("n"), Some(0));
    drop(transaction);
    // Who writes waits until it is gone.
    pool.execute(None, "INSERT INTO t VALUES (2)", &[])
        .await
        .unwrap();
    let rows = pool.query(None, "SELECT a FROM t", &[]).await.unwrap();
    assert_eq!(
        rows.iter()
            .filter_map(|row| row.int("a"))
            .collect::<Vec<_>>(),
        [2]
    );
}

#[tokio::test]
async fn writers_take_turns() {
    let server = start();
    let pool = std::sync::Arc::new(server.pool("content"));
    pool.batch(None, "CREATE TABLE t (n INT)  INSERT t VALUES (0)")
        .await
        .unwrap();
    let adders: Vec<_> = (0..8)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move {
                for _ in 0..10 {
                    let mut transaction = pool.transaction(None).await.unwrap();
                    transaction
                        .execute("UPDATE t SET n = n + 1", &[])
                        .await
                        .unwrap();
                    transaction.commit().await.unwrap();
                }
            })
        })
        .collect();
    for adder in adders {
        adder.await.unwrap();
    }
    let rows = pool.query(None, "SELECT n FROM t", &[]).await.unwrap();
    assert_eq!(rows[0].int("n"), Some(80));
}

#[tokio::test]
async fn a_server_that_comes_back_has_what_was_committed() {
    let folder = Folder::new();
    let server = start_in(&folder.0);
    let pool = server.pool("content");
    pool.batch(None, "CREATE TABLE t (a INT) INSERT t VALUES (5)")
        .await
        .unwrap();
    drop(server);
    let server = start_in(&folder.0);
    let rows = server
        .pool("content")
        .query(None, "SELECT a FROM t", &[])
        .await
        .unwrap();
    assert_eq!(rows[0].int("a"), Some(5));
}

#[tokio::test]
async fn another_password_name_or_database_is_refused() {
    let server = start();
    let ask = async |pool: lab_nodes::sql_client::Pool| {
        pool.query(None, "SELECT 1", &[])
            .await
            .map(drop)
            .unwrap_err()
    };
    let wrong = ask(server.pool_of("content", crate::server::NAME, &Secret::new([8; 32]))).await;
    assert_eq!(wrong.number(), Some(18456), "{wrong}");
    let unknown = ask(server.pool("nosuch")).await;
    assert_eq!(unknown.number(), Some(4060), "{unknown}");
    let stranger = ask(server.pool_of("content", "else.corp.example", &Secret::new([7; 32]))).await;
    assert!(stranger.to_string().contains("certificate"), "{stranger}");
}
