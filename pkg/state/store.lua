-- Writes states, wake-ups and fence of one bucket, all or nothing.
-- KEYS[1]   fence hash
-- KEYS[2]   due set
-- KEYS[3…]  state keys of the users
-- ARGV[1]   owner number of the writer
-- ARGV[2]   sequence that the fence must have; '' if it must have none, during a rebuild
-- ARGV[3]   sequence that it gets; '' if it gets none yet
-- ARGV[4]   number n of fence fields, then n times: field, value
-- then for each state key: member of the due set, due in ms ('' is never), blob ('' deletes)
-- Returns 1 when written (now, or before by the same call sent twice), 0 when Redis is not what the writer left,
-- -1 when the bucket has a newer owner.
local fence = redis.call('HMGET', KEYS[1], 'owner', 'seq')
local owner, mine = tonumber(fence[1] or 0), tonumber(ARGV[1])
if owner > mine then return -1 end
if owner < mine then return 0 end
local seq = fence[2] or ''
if seq ~= ARGV[2] then
  if ARGV[3] ~= '' and seq == ARGV[3] then return 1 end
  return 0
end
local at = 5
for _ = 1, tonumber(ARGV[4]) do
  redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1])
  at = at + 2
end
for i = 3, #KEYS do
  local member, due, blob = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  if blob == '' then redis.call('DEL', KEYS[i]) else redis.call('SET', KEYS[i], blob) end
  if due == '' then redis.call('ZREM', KEYS[2], member) else redis.call('ZADD', KEYS[2], due, member) end
  at = at + 3
end
if ARGV[3] ~= '' then redis.call('HSET', KEYS[1], 'seq', ARGV[3]) end
return 1
