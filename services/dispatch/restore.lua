-- Writes the record of one push back, unless one is there that knows more: an end is the last word, and a wait is the answer
-- to the intent of its attempt.
-- KEYS[1]  records of a release: a hash, device → record; "*" stands for every device that has no record
-- ARGV[1]  device
-- ARGV[2]  the record
-- ARGV[3]  its attempt
-- ARGV[4]  its phase
-- ARGV[5]  time to live of the hash in milliseconds, at the least
-- Returns 1 when written, 0 when what is there stays.
local is = redis.call('HGET', KEYS[1], ARGV[1]) or redis.call('HGET', KEYS[1], '*')
if is then
  local rec, attempt = cjson.decode(is), tonumber(ARGV[3])
  if is == ARGV[2] or rec.phase == 'ended' or (rec.attempt or 0) > attempt then return 0 end
  if rec.phase == 'waiting' and ARGV[4] == 'intent' and rec.attempt == attempt then return 0 end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[5]) then redis.call('PEXPIRE', KEYS[1], ARGV[5]) end
return 1
