"""Accounts, and transactions that move money between two of them: something to replay."""

from __future__ import annotations

SCHEMA = (
    "CREATE DATABASE bank",
    "CREATE TABLE bank.accounts (id INT PRIMARY KEY, money BIGINT NOT NULL, note CHAR(120))",
    "CREATE TABLE bank.moves (id INT PRIMARY KEY AUTO_INCREMENT, a INT, b INT, note CHAR(120))",
    "INSERT INTO bank.accounts WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n "
    "WHERE id < 1000) SELECT id, 1000, REPEAT('x', 120) FROM n",
    """
    CREATE PROCEDURE bank.write_some(wanted INT)
    BEGIN
      DECLARE a INT; DECLARE b INT; DECLARE done INT DEFAULT 0;
      WHILE done < wanted DO
        SET a = 1 + FLOOR(RAND() * 999), b = a + 1, done = done + 1;
        START TRANSACTION;
        UPDATE bank.accounts SET money = money - 7 WHERE id = a;
        UPDATE bank.accounts SET money = money + 7 WHERE id = b;
        INSERT INTO bank.moves (a, b, note) VALUES (a, b, REPEAT('y', 120));
        COMMIT;
      END WHILE;
    END
    """,
)
