-- The demo's shop: what a real one has that can go wrong in a copy. Several schemas, every
-- engine a MariaDB holds tables in, partitions, compression, generated columns, full text,
-- foreign keys, routines, and names that must be quoted.
-- Statements end with a semicolon at the end of a line.

DROP DATABASE IF EXISTS shop;
DROP DATABASE IF EXISTS billing;
DROP DATABASE IF EXISTS archive;
DROP DATABASE IF EXISTS `mail-order 1998`;
CREATE DATABASE shop CHARACTER SET utf8mb4;
CREATE DATABASE billing CHARACTER SET utf8mb4;
CREATE DATABASE archive CHARACTER SET utf8mb4;
CREATE DATABASE `mail-order 1998` CHARACTER SET latin1;

CREATE TABLE shop.customers (
  id INT UNSIGNED NOT NULL PRIMARY KEY,
  email VARCHAR(120) NOT NULL,
  given_name VARCHAR(40) NOT NULL,
  family_name VARCHAR(40) NOT NULL,
  street VARCHAR(80) NOT NULL,
  city VARCHAR(40) NOT NULL,
  country CHAR(2) NOT NULL,
  phone VARCHAR(24),
  joined_on DATE NOT NULL,
  preferences JSON NOT NULL,
  full_name VARCHAR(81) AS (CONCAT(given_name, ' ', family_name)) PERSISTENT,
  UNIQUE KEY customers_email (email),
  KEY customers_name (family_name, given_name)
) ENGINE=InnoDB;

CREATE TABLE shop.products (
  id INT UNSIGNED NOT NULL PRIMARY KEY,
  sku VARCHAR(20) NOT NULL,
  title VARCHAR(120) NOT NULL,
  description TEXT NOT NULL,
  price DECIMAL(8,2) NOT NULL CHECK (price > 0),
  UNIQUE KEY products_sku (sku),
  FULLTEXT KEY products_words (title, description)
) ENGINE=InnoDB;

CREATE TABLE shop.orders (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  customer_id INT UNSIGNED NOT NULL,
  placed_at DATETIME(3) NOT NULL,
  status ENUM('new', 'paid', 'packed', 'shipped', 'returned') NOT NULL,
  total DECIMAL(12,2) NOT NULL,
  ship_to VARCHAR(160) NOT NULL,
  KEY orders_by_customer (customer_id, placed_at),
  KEY orders_by_status (status, placed_at),
  CONSTRAINT orders_customer FOREIGN KEY (customer_id) REFERENCES shop.customers (id)
) ENGINE=InnoDB;

CREATE TABLE shop.order_items (
  order_id BIGINT UNSIGNED NOT NULL,
  line TINYINT UNSIGNED NOT NULL,
  product_id INT UNSIGNED NOT NULL,
  quantity SMALLINT UNSIGNED NOT NULL,
  unit_price DECIMAL(8,2) NOT NULL,
  PRIMARY KEY (order_id, line),
  KEY order_items_by_product (product_id),
  CONSTRAINT order_items_order FOREIGN KEY (order_id) REFERENCES shop.orders (id),
  CONSTRAINT order_items_product FOREIGN KEY (product_id) REFERENCES shop.products (id)
) ENGINE=InnoDB;

CREATE TABLE shop.events (
  id BIGINT UNSIGNED NOT NULL,
  happened_at DATETIME NOT NULL,
  customer_id INT UNSIGNED NOT NULL,
  action VARCHAR(24) NOT NULL,
  address INET6 NOT NULL,
  session_id CHAR(32) NOT NULL,
  payload JSON NOT NULL,
  PRIMARY KEY (id, happened_at),
  KEY events_by_customer (customer_id, happened_at)
) ENGINE=InnoDB
PARTITION BY RANGE (TO_DAYS(happened_at)) (
  PARTITION before_2026 VALUES LESS THAN (TO_DAYS('2026-01-01')),
  PARTITION q1_2026 VALUES LESS THAN (TO_DAYS('2026-04-01')),
  PARTITION q2_2026 VALUES LESS THAN (TO_DAYS('2026-07-01')),
  PARTITION q3_2026 VALUES LESS THAN (TO_DAYS('2026-10-01')),
  PARTITION later VALUES LESS THAN MAXVALUE
);

CREATE TABLE shop.`select` (
  `order by` INT NOT NULL PRIMARY KEY,
  `größe in €` VARCHAR(40) NOT NULL,
  `back``tick` VARCHAR(40)
) ENGINE=InnoDB COMMENT='every name in it is legal';

CREATE TABLE billing.accounts (
  id INT UNSIGNED NOT NULL PRIMARY KEY,
  customer_id INT UNSIGNED NOT NULL,
  opening_cents BIGINT NOT NULL,
  balance_cents BIGINT NOT NULL
) ENGINE=InnoDB;

-- Two postings for each transfer: what leaves one account arrives in another.
CREATE TABLE billing.ledger (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  transfer CHAR(36) NOT NULL,
  account_id INT UNSIGNED NOT NULL,
  amount_cents BIGINT NOT NULL,
  posted_at DATETIME(6) NOT NULL,
  note VARCHAR(80) NOT NULL,
  KEY ledger_by_account (account_id, posted_at)
) ENGINE=InnoDB;

CREATE TABLE billing.counters (
  name VARCHAR(20) NOT NULL PRIMARY KEY,
  value BIGINT NOT NULL
) ENGINE=InnoDB;

CREATE TABLE archive.invoices_2019 (
  id INT UNSIGNED NOT NULL PRIMARY KEY,
  customer_id INT UNSIGNED NOT NULL,
  issued_on DATE NOT NULL,
  amount DECIMAL(10,2) NOT NULL,
  wording VARCHAR(200) NOT NULL,
  KEY invoices_by_customer (customer_id)
) ENGINE=MyISAM;

CREATE TABLE archive.letters (
  id INT UNSIGNED NOT NULL PRIMARY KEY,
  customer_id INT UNSIGNED NOT NULL,
  sent_on DATE NOT NULL,
  wording TEXT NOT NULL,
  KEY letters_by_customer (customer_id)
) ENGINE=InnoDB ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=8;

CREATE TABLE archive.visits (
  day DATE NOT NULL,
  page VARCHAR(80) NOT NULL,
  visits INT UNSIGNED NOT NULL,
  KEY visits_by_day (day)
) ENGINE=Aria TRANSACTIONAL=1;

CREATE TABLE `mail-order 1998`.`catalogue #3 (final)` (
  page SMALLINT UNSIGNED NOT NULL PRIMARY KEY,
  wording TEXT NOT NULL
) ENGINE=InnoDB ROW_FORMAT=REDUNDANT;

CREATE VIEW shop.open_orders AS
  SELECT o.id, c.full_name, o.placed_at, o.total
  FROM shop.orders o JOIN shop.customers c ON c.id = o.customer_id
  WHERE o.status IN ('new', 'paid', 'packed');

CREATE FUNCTION shop.order_value(wanted BIGINT UNSIGNED) RETURNS DECIMAL(12,2)
  READS SQL DATA
  RETURN (SELECT SUM(quantity * unit_price) FROM shop.order_items WHERE order_id = wanted);

INSERT INTO shop.`select` VALUES (1, 'klein', NULL), (2, 'groß', 'naïve'), (3, '', '`');
INSERT INTO billing.counters VALUES ('postings', 0), ('orders', 0);
