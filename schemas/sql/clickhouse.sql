-- Outcomes of Kairos in ClickHouse, and the same rows under the column names of Braze Currents and of OneSignal's event
-- streams, so that reports written for those keep working.
--
--   clickhouse-client --multiquery < clickhouse.sql
--   kairos tail outcomes | clickhouse-client --query 'INSERT INTO outcomes FORMAT JSONEachRow' \
--       --input_format_skip_unknown_fields=1 --date_time_input_format=best_effort
--
-- The Kafka table engine with the same two settings and kafka_format = 'JSONEachRow' reads the topic itself. To keep a
-- feature, add its column: ALTER TABLE outcomes ADD COLUMN f_prior Float64.

CREATE TABLE IF NOT EXISTS outcomes
(
    outcome_id String,
    occurred_at DateTime64(3, 'UTC'),
    occurred_at_ms Int64,
    app_id LowCardinality(String),
    user_id String,
    message_id String,
    revision UInt32,
    campaign_id LowCardinality(String),
    category LowCardinality(String),
    priority LowCardinality(String),
    device_id String,
    channel LowCardinality(String),
    platform LowCardinality(String),
    type LowCardinality(String),
    reason LowCardinality(String),
    decision_id String,
    attempt UInt32,
    provider_message_id String,
    hold_ms Int64,
    lateness_ms Int64,
    after_ms Int64,
    policy LowCardinality(String),
    policy_version LowCardinality(String),
    model_version LowCardinality(String),
    arm LowCardinality(String),
    propensity Float64,
    local_time String,
    time_zone LowCardinality(String)
)
ENGINE = ReplacingMergeTree -- a row written twice becomes one; FINAL below reads it so before the merge
PARTITION BY toYYYYMM(occurred_at)
ORDER BY (app_id, campaign_id, outcome_id);

-- Braze Currents, users.messages.pushnotification.*. A suppressed, expired or failed message is an Abort with the reason.
-- Braze has no delivered, displayed or dismissed.
CREATE OR REPLACE VIEW braze_currents AS
SELECT
    outcome_id AS id,
    concat('users.messages.pushnotification.', multiIf(
        type = 'sent', 'Send',
        type = 'opened', 'Open',
        type = 'provider_rejected', 'Bounce',
        'Abort')) AS event_type,
    intDiv(occurred_at_ms, 1000) AS time,
    user_id,
    user_id AS external_user_id,
    device_id,
    app_id,
    platform,
    time_zone AS timezone,
    campaign_id,
    campaign_id AS campaign_name,
    arm AS message_variation_id,
    message_id AS send_id,
    decision_id AS dispatch_id,
    if(type IN ('suppressed', 'expired', 'failed'), toString(type), '') AS abort_type,
    if(type IN ('suppressed', 'expired', 'failed'), toString(reason), '') AS abort_log
FROM outcomes FINAL
WHERE type IN ('sent', 'opened', 'provider_rejected', 'suppressed', 'expired', 'failed');

-- OneSignal event streams, message.push.*. The dots of event.kind and so on are underscores here.
CREATE OR REPLACE VIEW onesignal_events AS
SELECT
    outcome_id AS event_id,
    concat('message.push.', multiIf(
        type = 'sent', 'sent',
        type = 'delivered', 'received',
        type = 'opened', 'clicked',
        type = 'disabled', 'unsubscribed',
        'failed')) AS event_kind,
    intDiv(occurred_at_ms, 1000) AS event_timestamp,
    concat(formatDateTime(occurred_at, '%Y-%m-%dT%H:%i:%S'), '.', leftPad(toString(occurred_at_ms % 1000), 3, '0'), 'Z') AS event_datetime,
    app_id AS event_app_id,
    multiIf(platform = 'ios', 'iOS', platform = 'android', 'Android', platform = 'web', 'Web', '') AS event_subscription_device_type,
    device_id AS event_subscription_id,
    user_id AS event_external_id,
    message_id,
    campaign_id AS message_name
FROM outcomes FINAL
WHERE type IN ('sent', 'delivered', 'opened', 'disabled', 'failed');
