-- Replaces the record of one push if it is still the one that the caller has seen.
-- KEYS[1]  records of a release: a hash, device → record; "*" stands for every device that has no record
-- KEYS[2]  mark of the bucket: how far the log of releases was done with when it was last written
-- KEYS[3]  how many records of the bucket have been written
-- ARGV[1]  device
-- ARGV[2]  the record seen, '' for none
-- ARGV[3]  the new record
-- ARGV[4]  time to live of the hash in milliseconds
-- ARGV[5]  the least mark that will do; '' to write whatever the mark is
-- ARGV[6]  the least number of writes that will do, when there is a least mark
-- Returns {'ok', writes}, {'is', record} when it is another one, or {'lost'} when the bucket has forgotten what it knew.
if ARGV[5] ~= '' then
  local mark = redis.call('GET', KEYS[2])
  if not mark or tonumber(mark) < tonumber(ARGV[5]) then return {'lost'} end
  if tonumber(redis.call('GET', KEYS[3]) or '0') < tonumber(ARGV[6]) then return {'lost'} end
end
local is = redis.call('HGET', KEYS[1], ARGV[1]) or redis.call('HGET', KEYS[1], '*') or ''
if is ~= ARGV[2] then return {'is', is} end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return {'ok', tostring(redis.call('INCR', KEYS[3]))}
