# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

from oslo_config import cfg

service_option = cfg.BoolOpt(
    "nova_shares",
    default=True,
    help="Whether the Compute API has server shares, microversion 2.97.",
)

nova_shares_group = cfg.OptGroup(
    name="nova_shares", title="Options of the server shares tests"
)

NovaSharesGroup = [
    cfg.BoolOpt(
        "own_answers",
        default=True,
        help="Whether the cloud answers as nova_shares does where it differs "
        "from Nova on purpose. Set it to False to test the server shares of "
        "Nova itself: the tests of those differences are skipped.",
    ),
    cfg.BoolOpt(
        "actions_refused",
        default=True,
        help="Whether the Compute API refuses the actions that do not keep "
        "the shares of a server. Set it to False if nova_shares runs as a "
        "service of its own, which does not see these actions.",
    ),
    cfg.StrOpt(
        "share_catalog_type",
        default="shared-file-system",
        help="Catalog type of Manila.",
    ),
    cfg.StrOpt(
        "share_microversion",
        default="2.82",
        help="Microversion of the requests to Manila, at least 2.82.",
    ),
    cfg.StrOpt(
        "share_protocol",
        default="NFS",
        choices=["NFS", "CEPHFS"],
        help="Protocol of the shares that the tests create.",
    ),
    cfg.StrOpt(
        "share_type",
        help="Share type of the shares that the tests create. By default, "
        "the default share type of Manila.",
    ),
    cfg.StrOpt(
        "unsupported_share_protocol",
        help="A protocol that Manila can create shares of and that servers "
        "cannot have, such as CIFS. Without it, this case is skipped.",
    ),
    cfg.StrOpt(
        "unsupported_share_type",
        help="Share type of the share with unsupported_share_protocol. By "
        "default, the default share type of Manila.",
    ),
    cfg.IntOpt(
        "share_size",
        default=1,
        help="Size of the shares that the tests create, in GiB.",
    ),
]
