-- Entries behind an id that another consumer has left, claimed one at a time, until there are enough of them, enough bytes were looked
-- at, or enough was searched; where to go on is told first, '0-0' at the end. KEYS: the stream. ARGV 5 to 10: group, consumer, the
-- least idle time in milliseconds, the id to begin behind, how many, and after how many bytes to stop.
-- XAUTOCLAIM and XCLAIM acknowledge an entry that was trimmed away, and nobody would hear of the loss if the caller died just then. Such
-- an entry is told and stays as it is, until the caller has recorded the loss.
local group, consumer, cursor = ARGV[5], ARGV[6], ARGV[8]
local idle, wanted, most_bytes = tonumber(ARGV[7]), tonumber(ARGV[9]), tonumber(ARGV[10])
local found, bytes, searched = {}, 0, 0
repeat
  local page = redis.call('XPENDING', KEYS[1], group, '(' .. cursor, '+', 100)
  for _, left in ipairs(page) do
    local deliveries = left[4]
    cursor = left[1]
    if left[3] >= idle then
      local entry = redis.call('XRANGE', KEYS[1], cursor, cursor)[1]
      if entry then
        deliveries = deliveries + 1
        redis.call('XCLAIM', KEYS[1], group, consumer, idle, cursor, 'RETRYCOUNT', deliveries, 'JUSTID')
      end
      local told = measured(entry or {cursor, false}, {})
      table.insert(told, deliveries)
      table.insert(found, told)
      bytes = bytes + told[2]
      if #found >= wanted or bytes >= most_bytes then
        return {cursor, found}
      end
    end
  end
  searched = searched + #page
  if #page < 100 then
    return {'0-0', found}
  end
until searched >= 1000
return {cursor, found}
