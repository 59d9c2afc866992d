-- Entries of the group's own reading, one at a time, until there are enough of them or enough bytes were looked at. KEYS: the
-- stream. ARGV 5 to 9: group, consumer, the id to begin behind or '>', how many, and after how many bytes to stop.
local group, consumer, start = ARGV[5], ARGV[6], ARGV[7]
local found, bytes = {}, 0
repeat
  local answer = redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', 1, 'STREAMS', KEYS[1], start)
  local entry = answer and answer[1][2][1]
  if not entry then
    break
  end
  local told, deliveries = measured(entry, {}), 1
  if start ~= '>' then
    start = entry[1]
    local pending = redis.call('XPENDING', KEYS[1], group, start, start, 1)
    deliveries = pending[1] and pending[1][4] or 1
  end
  table.insert(told, deliveries)
  table.insert(found, told)
  bytes = bytes + told[2]
until #found >= tonumber(ARGV[8]) or bytes >= tonumber(ARGV[9])
return found
