-- Entries of a stream, one at a time, until there are enough of them or enough bytes were looked at; whether there are more is
-- told first. KEYS: the stream. ARGV 5 to 9: XRANGE or XREVRANGE, from where, to where, how many, and after how many bytes to stop.
-- ARGV from 10 on: names of fields that stand apart, each with the length it may have.
local start, apart = ARGV[6], {}
for i = 10, #ARGV, 2 do
  apart[ARGV[i]] = tonumber(ARGV[i + 1])
end
local found, bytes, more = {}, 0, 1
repeat
  local entry = redis.call(ARGV[5], KEYS[1], start, ARGV[7], 'COUNT', 1)[1]
  if not entry then
    more = 0
    break
  end
  local told = measured(entry, apart)
  table.insert(found, told)
  bytes = bytes + told[2]
  start = '(' .. entry[1]
until #found >= tonumber(ARGV[8]) or bytes >= tonumber(ARGV[9])
return {more, found}
