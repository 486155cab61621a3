-- Writes states, wake-ups and fence of one bucket, all or nothing.
-- KEYS[1]   fence hash
-- KEYS[2]   due set
-- KEYS[3]   dirty set
-- KEYS[4…]  state keys of the users
-- ARGV[1]   owner number of the writer
-- ARGV[2]   sequence that the fence must have: 'b0', 'b1', … during a rebuild, which make no valid fence, else a number
-- ARGV[3]   sequence that it gets
-- ARGV[4]   '1' if the users now wait for the journal, '0' if they come from it
-- ARGV[5]   '1' if all that waited for the journal are in it
-- ARGV[6]   number n of fence fields, then n times: field, value
-- then for each state key: user, due in ms ('' is never), blob ('' deletes)
-- Returns 1 when written (now, or before by the same call sent twice), 0 when Redis is not what the writer left,
-- -1 when the bucket has a newer owner.
local fence = redis.call('HMGET', KEYS[1], 'owner', 'seq')
local owner, mine = tonumber(fence[1] or 0), tonumber(ARGV[1])
if owner > mine then return -1 end
if owner < mine then return 0 end
local seq = fence[2] or ''
if seq ~= ARGV[2] then
  if seq == ARGV[3] then return 1 end
  return 0
end
local at = 7
for _ = 1, tonumber(ARGV[6]) do
  redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1])
  at = at + 2
end
if ARGV[5] == '1' then redis.call('DEL', KEYS[3]) end
for i = 4, #KEYS do
  local user, due, blob = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  if blob == '' then redis.call('DEL', KEYS[i]) else redis.call('SET', KEYS[i], blob) end
  if due == '' then redis.call('ZREM', KEYS[2], user) else redis.call('ZADD', KEYS[2], due, user) end
  if ARGV[4] == '1' then redis.call('SADD', KEYS[3], user) end
  at = at + 3
end
redis.call('HSET', KEYS[1], 'seq', ARGV[3])
return 1
