-- Takes a bucket over: from here on, writes of every earlier owner are refused.
-- KEYS[1]  fence hash
-- KEYS[2]  due set
-- ARGV[1]  '1' to begin a rebuild: the fence is no longer valid and no wake-up is due
-- Returns all fields of the fence, with the new owner.
redis.call('HINCRBY', KEYS[1], 'owner', 1)
if ARGV[1] == '1' then
  redis.call('HDEL', KEYS[1], 'seq')
  redis.call('DEL', KEYS[2])
end
return redis.call('HGETALL', KEYS[1])
