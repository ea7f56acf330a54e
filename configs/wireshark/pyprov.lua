-- SPDX-License-Identifier: BSD-3-Clause
-- Wireshark: the TCP option "PVSP" and the block beside the stream, by which two pyprov providers
-- exchange connect data and quality of service inside the TCP handshake.
--
--   tshark -X lua_script:configs/wireshark/pyprov.lua -r FILE -Y pyprov
--   or copy it into Wireshark's folder of personal Lua plugins
--
-- Filters: pyprov.flags.req, pyprov.reason, pyprov.data, pyprov.sending.token_rate, ...

local KIND, LENGTH, EXID = 253, 10, 0x50565350

local proto = Proto("pyprov", "pyprov handshake option")

local reasons = {
	[0] = "refused by the condition function",
	[1] = "QoS admission: not enough left to reserve",
	[2] = "QoS policy: the flowspec was refused",
	[3] = "malformed or impossible flowspec",
	[4] = "backlog full",
}

local services = {
	[0] = "no traffic", [1] = "best effort", [2] = "controlled load", [3] = "guaranteed",
	[4] = "network unavailable", [5] = "general information", [6] = "no change",
	[9] = "nonconforming", [10] = "network control", [13] = "qualitative",
}

local types = {
	[1] = "data", [2] = "sending flowspec", [3] = "receiving flowspec",
	[4] = "provider-specific QoS", [5] = "group", [6] = "status",
}

local flags = { -- lowest bit first
	{ "req", "Request" }, { "pend", "Understood, the decision follows" }, { "acc", "Accepted" },
	{ "rej", "Rejected" }, { "resend", "Send the block again" }, { "qos", "QoS of a connection" },
	{ "disc", "Disconnect data" }, { "more", "The block goes on" },
}

local flow_fields = {
	{ "token_rate", "TokenRate" }, { "token_bucket_size", "TokenBucketSize" },
	{ "peak_bandwidth", "PeakBandwidth" }, { "latency", "Latency" },
	{ "delay_variation", "DelayVariation" }, { "service_type", "ServiceType" },
	{ "max_sdu_size", "MaxSduSize" }, { "minimum_policed_size", "MinimumPolicedSize" },
}

local f = {
	flags = ProtoField.uint8("pyprov.flags", "Flags", base.HEX),
	reason = ProtoField.uint8("pyprov.reason", "Reason", base.DEC, reasons),
	length = ProtoField.uint16("pyprov.block_length", "Block bytes in this segment"),
	block = ProtoField.bytes("pyprov.block", "Block"),
	type = ProtoField.uint8("pyprov.type", "Type", base.DEC, types),
	size = ProtoField.uint16("pyprov.size", "Length"),
	data = ProtoField.bytes("pyprov.data", "Data"),
	provider = ProtoField.bytes("pyprov.provider", "Provider-specific QoS"),
	group = ProtoField.uint32("pyprov.group", "Group"),
	priority = ProtoField.uint32("pyprov.priority", "Priority"),
	status = ProtoField.uint32("pyprov.status", "Status"),
	unknown = ProtoField.bytes("pyprov.unknown", "Value"),
}
local all = {}
for _, field in pairs(f) do
	all[#all + 1] = field
end
for bit, flag in ipairs(flags) do
	local field = ProtoField.bool("pyprov.flags." .. flag[1], flag[2], 8, nil, 2 ^ (bit - 1))
	flags[bit] = field
	all[#all + 1] = field
end
local flows = {}
for kind, way in pairs({ [2] = "sending", [3] = "receiving" }) do
	flows[kind] = {}
	for i, field in ipairs(flow_fields) do
		local name = "pyprov." .. way .. "." .. field[1]
		local values = field[1] == "service_type" and services or nil
		flows[kind][i] = ProtoField.uint32(name, field[2], base.DEC, values)
		all[#all + 1] = flows[kind][i]
	end
end
proto.fields = all

local malformed = ProtoExpert.new("pyprov.malformed", "Malformed", expert.group.MALFORMED,
	expert.severity.ERROR)
proto.experts = { malformed }

local tcp_port = Field.new("tcp.srcport")
local tcp_header = Field.new("tcp.hdr_len")
local tcp_length = Field.new("tcp.len")
local tcp_options = Field.new("tcp.options")
local tcp_stream = Field.new("tcp.stream")

local met = {}   -- frames, by number
local begun = {} -- parts of a block whose end has not come, by stream and direction
local whole = {} -- blocks of several segments, by the number of the frame that ends them

function proto.init()
	met, begun, whole = {}, {}, {}
end

-- The range of the option among TCP's options, or nil.
local function find(options)
	local at = 0
	while at < options:len() do
		local kind = options(at, 1):uint()
		if kind == 0 then
			return nil
		end
		local length = 1
		if kind > 1 then
			if at + 1 >= options:len() then
				return nil
			end
			length = options(at + 1, 1):uint()
			if length < 2 or at + length > options:len() then
				return nil
			end
			if kind == KIND and length >= 6 and options(at + 2, 4):uint() == EXID then
				return options(at, length)
			end
		end
		at = at + length
	end
	return nil
end

local exact = { [2] = 32, [3] = 32, [5] = 8, [6] = 4 }

-- What is wrong with the length of a value, or nil.
local function wrong_length(kind, size)
	if exact[kind] and size ~= exact[kind] then
		return (types[kind] .. " of %d bytes"):format(size)
	end
	if kind == 1 and size > 1024 then
		return ("%d bytes of data"):format(size)
	end
	return nil
end

local function add_value(tree, kind, value)
	if kind == 1 then
		tree:add(f.data, value)
	elseif flows[kind] then
		for i, field in ipairs(flows[kind]) do
			tree:add(field, value(4 * (i - 1), 4))
		end
	elseif kind == 4 then
		tree:add(f.provider, value)
	elseif kind == 5 then
		tree:add(f.group, value(0, 4))
		tree:add(f.priority, value(4, 4))
	elseif kind == 6 then
		tree:add(f.status, value)
	else
		tree:add(f.unknown, value)
	end
end

local function add_block(tree, block)
	local seen, at, rest = {}, 0, block:len()
	while rest > 0 do
		if rest < 3 then
			tree:add_proto_expert_info(malformed, "a type without its length")
			return
		end
		local kind, size = block(at, 1):uint(), block(at + 1, 2):uint()
		if size > rest - 3 then
			tree:add_proto_expert_info(malformed, "a value past the end of the block")
			return
		end
		local entry = tree:add(block(at, 3 + size), types[kind] or ("type %d"):format(kind))
		entry:add(f.type, block(at, 1))
		entry:add(f.size, block(at + 1, 2))
		local problem = wrong_length(kind, size)
		if not problem and types[kind] and seen[kind] then
			problem = types[kind] .. " twice"
		end
		if problem then
			entry:add_proto_expert_info(malformed, problem)
			return
		end
		seen[kind] = true
		if size > 0 then
			add_value(entry, kind, block(at + 3, size))
		end
		at, rest = at + 3 + size, rest - 3 - size
	end
end

-- A block that spans segments is shown with the segment that ends it. Frames are met in order, and
-- then again in any.
local function gather(pinfo, part, goes_on)
	local key = ("%s %s"):format(tostring(tcp_stream().value), tostring(tcp_port().value))
	if not met[pinfo.number] then
		met[pinfo.number] = true
		local bytes = begun[key] or ByteArray.new()
		bytes:append(part:bytes())
		begun[key] = goes_on and bytes or nil
		if not goes_on and bytes:len() > part:len() then
			whole[pinfo.number] = bytes
		end
	end
	if goes_on then
		return nil
	end
	local bytes = whole[pinfo.number]
	return bytes and bytes:tvb("pyprov block"):range() or part
end

local function add_payload(tree, tvb, pinfo, length, goes_on)
	local there = tcp_length().value
	if length > there then
		tree:add_proto_expert_info(malformed,
			("%d bytes of block in %d of payload"):format(length, there))
		return
	end
	if length == 0 then
		return
	end
	local part = tvb(tcp_port().offset + tcp_header().value, length)
	local shown = tree:add(f.block, part)
	local block = gather(pinfo, part, goes_on)
	if block then
		add_block(shown, block)
	end
end

function proto.dissector(tvb, pinfo, tree)
	local options = tcp_options()
	local option = options and find(options.range)
	if not option then
		return
	end
	local shown = tree:add(proto, option)
	if option:len() ~= LENGTH then
		shown:add_proto_expert_info(malformed, ("an option of %d bytes"):format(option:len()))
		return
	end
	local set = shown:add(f.flags, option(6, 1))
	for _, flag in ipairs(flags) do
		set:add(flag, option(6, 1))
	end
	shown:add(f.reason, option(7, 1))
	shown:add(f.length, option(8, 2))
	add_payload(shown, tvb, pinfo, option(8, 2):uint(), option(6, 1):bitfield(0, 1) == 1)
end

register_postdissector(proto)
