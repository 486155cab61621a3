-- Outcomes of Kairos in DuckDB, and the same rows under the column names of Braze Currents and of OneSignal's event
-- streams, so that reports written for those keep working.
--
--   kairos tail outcomes > outcomes.jsonl
--   duckdb -init duckdb.sql
--
-- read_json names its columns here so that a file in which some never occur still loads. Features are left out; for
-- them, and for models: SELECT * FROM read_json('outcomes.jsonl') has every f_* column that occurs.

SET TimeZone = 'UTC';

CREATE OR REPLACE VIEW outcomes AS
SELECT * FROM read_json('outcomes.jsonl', format = 'newline_delimited', columns = {
        outcome_id: 'VARCHAR',
        occurred_at: 'TIMESTAMPTZ',
        occurred_at_ms: 'BIGINT',
        app_id: 'VARCHAR',
        user_id: 'VARCHAR',
        message_id: 'VARCHAR',
        revision: 'INTEGER',
        campaign_id: 'VARCHAR',
        category: 'VARCHAR',
        priority: 'VARCHAR',
        device_id: 'VARCHAR',
        channel: 'VARCHAR',
        platform: 'VARCHAR',
        type: 'VARCHAR',
        reason: 'VARCHAR',
        decision_id: 'VARCHAR',
        attempt: 'INTEGER',
        provider_message_id: 'VARCHAR',
        hold_ms: 'BIGINT',
        lateness_ms: 'BIGINT',
        after_ms: 'BIGINT',
        policy: 'VARCHAR',
        policy_version: 'VARCHAR',
        model_version: 'VARCHAR',
        arm: 'VARCHAR',
        propensity: 'DOUBLE',
        local_time: 'VARCHAR',
        time_zone: 'VARCHAR'
    })
QUALIFY row_number() OVER (PARTITION BY outcome_id ORDER BY occurred_at) = 1; -- a row written twice counts once

-- Braze Currents, users.messages.pushnotification.*. A suppressed, expired or failed message is an Abort with the reason.
-- Braze has no delivered, displayed or dismissed.
CREATE OR REPLACE VIEW braze_currents AS
SELECT
    outcome_id AS id,
    'users.messages.pushnotification.' || CASE type
        WHEN 'sent' THEN 'Send'
        WHEN 'opened' THEN 'Open'
        WHEN 'provider_rejected' THEN 'Bounce'
        ELSE 'Abort'
    END AS event_type,
    occurred_at_ms // 1000 AS time,
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
    CASE WHEN type IN ('suppressed', 'expired', 'failed') THEN type END AS abort_type,
    CASE WHEN type IN ('suppressed', 'expired', 'failed') THEN reason END AS abort_log
FROM outcomes
WHERE type IN ('sent', 'opened', 'provider_rejected', 'suppressed', 'expired', 'failed');

-- OneSignal event streams, message.push.*. The dots of event.kind and so on are underscores here.
CREATE OR REPLACE VIEW onesignal_events AS
SELECT
    outcome_id AS event_id,
    'message.push.' || CASE type
        WHEN 'sent' THEN 'sent'
        WHEN 'delivered' THEN 'received'
        WHEN 'opened' THEN 'clicked'
        WHEN 'disabled' THEN 'unsubscribed'
        ELSE 'failed'
    END AS event_kind,
    occurred_at_ms // 1000 AS event_timestamp,
    strftime(occurred_at, '%Y-%m-%dT%H:%M:%S.%gZ') AS event_datetime,
    app_id AS event_app_id,
    CASE platform WHEN 'ios' THEN 'iOS' WHEN 'android' THEN 'Android' WHEN 'web' THEN 'Web' END AS event_subscription_device_type,
    device_id AS event_subscription_id,
    user_id AS event_external_id,
    message_id,
    campaign_id AS message_name
FROM outcomes
WHERE type IN ('sent', 'delivered', 'opened', 'disabled', 'failed');
