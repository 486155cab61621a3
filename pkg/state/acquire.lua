-- Takes a bucket over: from here on, writes of every earlier owner are refused.
-- KEYS[1]  fence hash
-- KEYS[2]  due set
-- KEYS[3]  dirty set
-- ARGV[1]  lower bound of the new owner number: the time in microseconds, so that numbers go on rising after a loss
-- ARGV[2]  '1' to begin a rebuild: the fence counts the writes of the rebuild, no wake-up is due, nothing waits for the journal
-- Returns all fields of the fence, with the new owner.
local owner = tonumber(redis.call('HGET', KEYS[1], 'owner') or 0) + 1
local least = tonumber(ARGV[1])
if owner < least then owner = least end
if ARGV[2] == '1' then
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
  redis.call('HSET', KEYS[1], 'seq', 'b0')
end
redis.call('HSET', KEYS[1], 'owner', string.format('%.0f', owner))
return redis.call('HGETALL', KEYS[1])
