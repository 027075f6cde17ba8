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

"""A small cloud for development and tests: never run it for anything else.

Keystone, Nova, Manila and Glance as far as their clients ask, over real
HTTP on loopback, in their own wire formats, with everything in memory and
one well-known password. ::

    cloud = state.Cloud()
    share = cloud.create_share("data", "demo")
    served = server.serve(cloud)
    print(served.clouds_yaml())
    ...
    served.stop()

``state`` puts the cloud itself together, of ``directory``, ``servers``,
``shares`` and ``switches``, which is what a test tells it to do wrong.
``identity``, ``compute``, ``share`` and ``image`` are the services that show
it, ``server`` puts all on one port. Nothing here imports nova_shares but
``aio``, which is nova_shares and this cloud in one process; its command,
nova-shares-aio, is ``cli``.
"""
