-- Trims a stream within what every group allows, all in one step: no group can be made or moved in between. KEYS: the stream.
-- ARGV: the id below which entries are old enough ('' for none), the last id that was known when that was decided, how many entries
-- to keep at most, the group that has to be there ('' for none), and how many entries one call trims at most.
-- Answers false where there is no stream, else: trimmed, length, first id, last id, and of the group that allows least its name, the id
-- it stands at, whether its entry there is gone, and whether it keeps entries that were to be trimmed.
local old, known, keep, needed, most = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])

-- Both halves of an id reach up to 2^64, which no number of Lua holds: texts of one width compare as the ids do.
local function comparable(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return string.rep('0', 20 - #ms) .. ms .. '-' .. string.rep('0', 20 - #seq) .. seq
end

local function lower(one, other)
  return comparable(one) < comparable(other)
end

local function there(from, to)
  return redis.call('XRANGE', KEYS[1], from, to, 'COUNT', 1)[1] ~= nil
end

local info = redis.pcall('XINFO', 'STREAM', KEYS[1])
if info.err then
  return not string.find(info.err, 'no such key') and info
end
local last = fields(info)['last-generated-id']
-- A stream that was put back, or made anew, gives ids again: what was decided by the ids from before holds no more.
if known ~= '' and lower(last, known) then
  old = ''
end

-- An entry may go if each group was given a later one, and has no earlier one pending.
local bound, holder, pending, found = nil, '', false, needed == ''
for _, flat in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local group = fields(flat)
  local stands_at, is_pending = group['last-delivered-id'], false
  if group['pending'] > 0 then
    local lowest = redis.call('XPENDING', KEYS[1], group['name'])[2]
    if lowest and not lower(stands_at, lowest) then
      stands_at, is_pending = lowest, true
    end
  end
  if not bound or lower(stands_at, bound) then
    bound, holder, pending = stands_at, group['name'], is_pending
  end
  found = found or group['name'] == needed
end

local trimmed = 0
local function trim(below, count)
  -- whole blocks of the stream go, whose entries nobody has to look at
  trimmed = trimmed + redis.call('XTRIM', KEYS[1], 'MINID', '~', below, 'LIMIT', count)
end

if found then
  if old ~= '' then
    local below = (bound and lower(bound, old)) and bound or old
    trim(below, most)
    if trimmed == 0 then
      -- and the rest of the last block
      trimmed = redis.call('XTRIM', KEYS[1], 'MINID', '=', below)
    end
  end
  local excess = math.min(redis.call('XLEN', KEYS[1]) - keep, most - trimmed)
  if excess > 0 then
    trim(bound or '18446744073709551615-18446744073709551615', excess)
  end
end

local length = redis.call('XLEN', KEYS[1])
local holds, gone = false, false
if found and bound then
  gone = pending and not there(bound, bound)
  -- the entry that was delivered last is not trimmed, and nobody waits for it
  holds = old ~= '' and lower(bound, old) and there(pending and bound or '(' .. bound, '(' .. old)
  holds = holds or trimmed == 0 and length > keep + math.max(keep / 10, 100)
end
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
return {trimmed, length, first and first[1] or '', last, holder, bound or '', gone and 1 or 0, holds and 1 or 0}
