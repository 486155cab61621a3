-- Writes the record of one push back, unless one is there that knows more.
-- KEYS[1]  records of a release: a hash, device → record; "*" stands for every device that has no record
-- ARGV[1]  device
-- ARGV[2]  the record
-- ARGV[3]  its attempt
-- ARGV[4]  time to live of the hash in milliseconds
-- Returns 1 when written, 0 when what is there has ended or is of a later attempt.
local is = redis.call('HGET', KEYS[1], ARGV[1]) or redis.call('HGET', KEYS[1], '*')
if is then
  local rec = cjson.decode(is)
  if rec.phase == 'ended' or (rec.attempt or 0) > tonumber(ARGV[3]) then return 0 end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
