-- Entries of the group's own reading, one at a time, until there are enough of them or enough bytes were looked at; how many entries
-- were gone before anybody read them is told first. KEYS: the stream. ARGV 5 to 9: group, consumer, the id to begin behind or '>', how
-- many, and after how many bytes to stop.
local group, consumer, start = ARGV[5], ARGV[6], ARGV[7]

-- How many of the stream's entries, those that are gone included, the group has passed; nil where the server cannot tell.
local function passed()
  for _, flat in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    local told = fields(flat)
    if told['name'] == group then
      return told['entries-read'] or nil
    end
  end
end

local before = start == '>' and passed()
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
local after = before and #found > 0 and passed()
return {after and math.max(after - before - #found, 0) or 0, found}
