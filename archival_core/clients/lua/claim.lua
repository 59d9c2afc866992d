-- Entries that another consumer has left, claimed one at a time, until there are enough of them, enough bytes were looked at, or
-- enough was searched; where to go on is told first, '0-0' at the end. KEYS: the stream. ARGV 5 to 10: group, consumer, the least
-- idle time in milliseconds, where to begin, how many, and after how many bytes to stop.
local group, consumer, cursor = ARGV[5], ARGV[6], ARGV[8]
local found, bytes, searches = {}, 0, 0
local function take(entry)
  local told = measured(entry, {})
  local pending = redis.call('XPENDING', KEYS[1], group, entry[1], entry[1], 1)
  table.insert(told, pending[1] and pending[1][4] or 1)
  table.insert(found, told)
  bytes = bytes + told[2]
end
repeat
  local answer = redis.call('XAUTOCLAIM', KEYS[1], group, consumer, ARGV[7], cursor, 'COUNT', 1)
  cursor, searches = answer[1], searches + 1
  for _, entry in ipairs(answer[2]) do
    if entry then
      take(entry)
    end
  end
  -- what was trimmed away is no longer pending for anybody: this is the last that is heard of it
  for _, id in ipairs(answer[3] or {}) do
    take({id, false})
  end
until cursor == '0-0' or #found >= tonumber(ARGV[9]) or bytes >= tonumber(ARGV[10]) or searches >= 1000
return {cursor, found}
